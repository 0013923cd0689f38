//! Cursors: whatever is passed back is refused or means one place; every place survives writing and reading.

use connector_bigcommerce::cursor::{Position, read, write};

use crate::feed::Feed;

/// Levels of parents that a cursor may have.
const DEPTH: u8 = 8;

/// The digest of the request that the cursors of the corpus belong to.
const DIGEST: u64 = 0x0123_4567_89ab_cdef;

/// Takes the bytes as a cursor, and as a recipe for a place.
pub fn check(data: &[u8]) {
    if let Ok(cursor) = std::str::from_utf8(data)
        && let Ok((delivered, position)) = read(cursor, DIGEST)
    {
        survives(DIGEST, delivered, &position);
        assert!(read(cursor, DIGEST ^ 1).is_err(), "a cursor of another request was taken");
    }
    let mut feed = Feed(data);
    let digest = u64::try_from(feed.number(8)).unwrap();
    let delivered = u64::try_from(feed.number(8)).unwrap();
    let position = place(&mut feed, DEPTH);
    survives(digest, delivered, &position);
}

fn survives(digest: u64, delivered: u64, position: &Position) {
    let text = write(digest, delivered, position);
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text} cannot stand everywhere");
    let (again, place) = read(&text, digest).expect("reads what it wrote");
    assert_eq!((again, &place), (delivered, position), "{text}");
}

fn place(feed: &mut Feed<'_>, depth: u8) -> Position {
    match feed.byte() % 6 {
        0 => Position::Key(feed.number(16)),
        1 => Position::After(feed.text(40)),
        2 => {
            let page = u64::try_from(feed.number(8)).unwrap().max(1);
            Position::Page(page, u32::try_from(feed.below(1000)).unwrap() + 1)
        }
        3 if depth > 0 => {
            let skip = u64::try_from(feed.number(8)).unwrap();
            let page = Box::new(place(feed, depth - 1));
            Position::Parent { page, skip, inner: Box::new(place(feed, depth - 1)) }
        }
        4 => {
            let gaps = (0..=feed.below(3)).map(|_| (feed.number(16), feed.number(16)));
            Position::Owed(gaps.collect(), feed.number(16))
        }
        _ => Position::Start,
    }
}
