//! How many requests at once a server of HTTP/2 takes, read off its frames as they pass. The HTTP client knows it too, but does not say
//! it, and lets further requests wait where nobody sees that they do. Keeps a few bytes, whatever the server sends.

use tokio::sync::watch;

/// Bytes before the payload of a frame.
const HEAD: usize = 9;
/// The kind of frame that tells settings, and the flag of one that only acknowledges ours.
const SETTINGS: u8 = 4;
const ACKNOWLEDGED: u8 = 1;
/// The setting that is looked for, and the length of one.
const MAX_CONCURRENT_STREAMS: u16 = 3;
const SETTING: usize = 6;

/// What a server has said; none before its first settings, which are the first that it says.
pub(super) type Streams = watch::Receiver<Option<u32>>;

/// The frames of one direction.
#[derive(Debug)]
pub(super) struct Frames {
    /// The beginning of a head, or of a setting.
    begun: Vec<u8>,
    /// Bytes of the payload that are still to come.
    left: usize,
    settings: bool,
    most: watch::Sender<Option<u32>>,
}

impl Frames {
    pub(super) fn new() -> (Self, Streams) {
        let (most, streams) = watch::channel(None);
        (Self { begun: Vec::with_capacity(HEAD), left: 0, settings: false, most }, streams)
    }

    /// Takes in what has been read.
    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let in_head = self.left == 0;
            let wanted = match (in_head, self.settings) {
                (true, _) => HEAD.saturating_sub(self.begun.len()),
                (false, true) => SETTING.saturating_sub(self.begun.len()).min(self.left),
                (false, false) => self.left,
            };
            let (now, rest) = bytes.split_at(wanted.min(bytes.len()));
            bytes = rest;
            if in_head {
                self.begun.extend_from_slice(now);
                self.head();
                continue;
            }
            self.left -= now.len();
            if self.settings {
                self.begun.extend_from_slice(now);
                self.setting();
            }
        }
    }

    fn head(&mut self) {
        let &[a, b, c, kind, flags, _, _, _, _] = self.begun.as_slice() else { return };
        self.begun.clear();
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.settings = kind == SETTINGS && flags & ACKNOWLEDGED == 0;
        self.are_over();
    }

    fn setting(&mut self) {
        if let &[id, name, a, b, c, d] = self.begun.as_slice() {
            self.begun.clear();
            if u16::from_be_bytes([id, name]) == MAX_CONCURRENT_STREAMS {
                self.most.send_replace(Some(u32::from_be_bytes([a, b, c, d])));
            }
        }
        self.are_over();
    }

    /// Settings that do not say it allow any number.
    fn are_over(&mut self) {
        if self.left == 0 && self.settings {
            self.begun.clear();
            self.most.send_if_modified(|most| most.is_none() && most.replace(u32::MAX).is_none());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_streams_is_found_however_the_frames_are_cut() {
        let settings = |flags: u8, payload: &[u8]| {
            let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
            [&[0, 0, length, SETTINGS, flags, 0, 0, 0, 0], payload].concat()
        };
        let data = [&[0, 0, 7, 0, 0, 0, 0, 0, 1][..], b"\0\x03\0\0\0\x09x"].concat();
        let one = settings(0, &[0, 4, 0, 1, 0, 0, 0, 3, 0, 0, 0, 100]);
        let told = [&one[..], &settings(ACKNOWLEDGED, &[]), &data, &settings(0, &[0, 3, 0, 0, 0, 2])].concat();
        for size in 1..told.len() {
            let (mut frames, streams) = Frames::new();
            assert_eq!(*streams.borrow(), None);
            let (first, others) = told.split_at(one.len());
            first.chunks(size).for_each(|piece| frames.see(piece));
            assert_eq!(*streams.borrow(), Some(100), "{size}");
            others.chunks(size).for_each(|piece| frames.see(piece));
            assert_eq!(*streams.borrow(), Some(2), "{size}");
        }
        let (mut frames, streams) = Frames::new();
        frames.see(&settings(0, &[]));
        assert_eq!(*streams.borrow(), Some(u32::MAX));
    }
}
