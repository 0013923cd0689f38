//! Answers to writes and error bodies of any shape: one outcome per record, whatever comes; nothing is called applied that the
//! answer does not prove; and what a person reads is one line of bounded length.

use connector_bigcommerce::batch::Way;
use connector_bigcommerce::error::{Error, Retry};
use connector_bigcommerce::host::Answer;
use connector_bigcommerce::outcome::{self, Verdict};
use connector_bigcommerce::remote::{self, Said};
use connector_bigcommerce::table::{OBJECTS, Object};
use connector_bigcommerce::types::{Outcome, Verb};

use crate::feed::Feed;
use crate::oracle;

/// Statuses that mean something; any other is taken from the bytes.
const STATUSES: [u16; 24] = [
    200, 201, 202, 204, 207, 301, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422, 429, 499, 500, 501, 503, 504,
    507,
];

/// Longest message, code or pointer, in bytes: a store cannot make a log line of megabytes.
const MOST_TEXT: usize = 20_000;

/// Takes the first bytes as object, verb, status and number of records, the others as the body.
pub fn check(data: &[u8]) {
    let mut feed = Feed(data);
    let object: &'static Object = feed.pick(OBJECTS);
    let mut ways: Vec<(Verb, Way)> = Vec::new();
    ways.extend(object.create.iter().map(|write| (Verb::Create, Way::Put(write))));
    ways.extend(object.update.iter().map(|write| (Verb::Update, Way::Put(write))));
    ways.extend(object.delete.iter().map(|delete| (Verb::Delete, Way::Delete(delete))));
    let way = (!ways.is_empty()).then(|| *feed.pick(&ways));
    let status = match usize::from(feed.byte()) {
        known if known < 10 * STATUSES.len() => STATUSES[known % STATUSES.len()],
        _ => 200 + u16::try_from(feed.below(400)).unwrap(),
    };
    let count = 1 + feed.below(4);
    let body = feed.rest();

    said(&Said::read(body));
    let answer = Answer { status, headers: Vec::new(), body: body.to_vec() };
    readable(&remote::refusal("read it", &answer));

    let Some((verb, way)) = way else { return };
    let lines: Vec<Vec<u8>> = (1..=count).map(|number| line(object, number)).collect();
    let sent: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    match outcome::read(object, verb, way, &sent, &answer) {
        Verdict::Each { outcomes, look } => {
            assert_eq!(outcomes.len(), sent.len(), "not one outcome per record");
            assert!(look.iter().all(|row| *row < sent.len()), "a record is to be looked up that was not sent");
            outcomes.iter().for_each(told);
            proven(status, verb, body, &outcomes);
        }
        Verdict::RefusedAsAWhole => {
            assert!(sent.len() > 1, "a single record was not decided");
            assert!(matches!(status, 300..=499 | 501), "{status} does not prove that nothing was applied");
        }
        Verdict::InDoubt(error) => {
            assert!(sent.len() > 1, "a single record was not decided");
            assert!(!matches!(status, 200..=299 | 400 | 413), "{status} is plain");
            readable(&error);
        }
    }
}

/// A record with the object's key and fields that many objects have, so that answers can be paired with it.
fn line(object: &Object, number: usize) -> Vec<u8> {
    let mut record = serde_json::Map::new();
    for key in object.key {
        record.insert((*key).to_owned(), number.into());
    }
    for name in ["name", "sku", "key"] {
        record.entry(name.to_owned()).or_insert_with(|| format!("{name}{number}").into());
    }
    serde_json::to_vec(&record).unwrap()
}

fn told(outcome: &Outcome) {
    match outcome {
        Outcome::Applied(record) => {
            assert!(oracle::value(record.as_bytes()).is_some_and(|value| value.starts_with('{')), "{record}");
            assert!(!record.contains('\n'), "a record on two lines");
        }
        Outcome::Failed(error) | Outcome::Unknown(error) => readable(error),
        Outcome::Skipped => panic!("an answered record was not sent"),
    }
}

/// What statuses say about whether the store acted, stated once more and more coarsely than in the code.
fn proven(status: u16, verb: Verb, body: &[u8], outcomes: &[Outcome]) {
    let applied = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Applied(_))).count();
    let failed = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Failed(_))).count();
    match status {
        501 | 507 => assert_eq!(applied, 0),
        408 | 499 | 500..=599 => assert_eq!((applied, failed), (0, 0), "{status} proves nothing"),
        // What is gone is deleted, if it is the API that says so: its errors are JSON.
        404 if verb == Verb::Delete && outcomes.len() == 1 => {
            assert_eq!(applied + failed, 1);
            assert!(applied == 0 || oracle::value(body).is_some(), "a gateway's page proves nothing");
        }
        // These may tell of saved records, and one that is cut off may have meant to.
        409 | 422 => {}
        300..=499 => assert_eq!((applied, failed), (0, outcomes.len()), "{status} is a refusal"),
        _ => {}
    }
}

fn said(said: &Said) {
    for text in [&said.text, &said.code, &said.pointer].into_iter().flatten() {
        assert!(text.len() <= MOST_TEXT, "{} bytes", text.len());
        assert!(!text.contains(['\n', '\r']), "more than one line: {text:?}");
    }
    assert!(said.pointer.as_deref().is_none_or(|pointer| pointer.starts_with('/')));
}

fn readable(error: &Error) {
    assert!(!error.message.is_empty());
    assert!(!matches!(error.retry, Retry::After(ms) if ms > 86_400_000), "waits for more than a day");
    said(&Said { text: Some(error.message.clone()), code: error.code.clone(), pointer: error.pointer.clone() });
}
