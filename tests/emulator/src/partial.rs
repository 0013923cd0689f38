//! Partial success: how a batch of which only a part was saved is told, endpoint by endpoint, and what a 207 looks like.

use crate::answer::{Answer, Refusal};
use crate::config::Switches;
use crate::facts::{Operation, Verb};
use crate::json::{Object, quote};
use crate::route::Route;
use crate::world::Call;

/// How a batch tells that some of its records failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partial {
    /// Not at all: nothing is changed if one record is wrong.
    None,
    /// This status, with the saved records in `data`, and `errors` and `meta` beside them.
    Listed(u16),
    /// 207 with the saved records in `data` and one error that names the others by their index.
    Multi,
    /// The refusal of the first bad record, and not a word of the others, which are saved.
    Silent,
    /// 422 with `batch_errors`, which name the bad records by their keys; the others are saved.
    BatchErrors,
}

/// Paths of price list records, whose refusals are `batch_errors`.
fn is_price_records(path: &str) -> bool {
    path.starts_with("/v3/pricelists") && path.ends_with("/records")
}

/// What partial success a call can have.
pub(crate) fn of(call: &Call<'_>, batch: bool, switches: &Switches) -> Partial {
    let operation = call.route.operation;
    let (key, path) = (call.resource().key.as_str(), operation.path.as_str());
    let open = switches.refused_batches_save_the_rest;
    match key {
        _ if !batch => Partial::None,
        _ if key.ends_with("/metafields") => Partial::Listed(422),
        "v3:/segments" | "v3:/segments/{segmentId}/shopper-profiles" => Partial::Listed(409),
        // By the document, one invalid entry makes the whole answer a 422, and the valid ones are created all the same.
        "v3:/content/pages" if operation.verb == Verb::Create => Partial::Silent,
        _ if open && is_price_records(path) => Partial::BatchErrors,
        "v3:/inventory/locations" | "v3:/orders/pickups" if open => Partial::Silent,
        _ if operation.has_partial() => Partial::Multi,
        _ => Partial::None,
    }
}

/// The error of a call of which nothing was carried out because of the record at this place.
pub(crate) fn refusal(call: &Call<'_>, batch: bool, at: usize, refusal: Refusal, object: &Object) -> Refusal {
    let operation = call.route.operation;
    if !batch || call.resource().is_v2() {
        return refusal;
    }
    if operation.path == "/v3/catalog/variants" || is_price_records(&operation.path) {
        let text = batch_errors(operation, &[(at, refusal, object.clone())]);
        return Refusal::new(422, "").with_body("application/json", text);
    }
    if operation.path == "/v3/customers" && operation.verb == Verb::Create {
        // The documented example names neither the record nor the field.
        let told = Refusal::new(refusal.status, "Create customers failed.");
        return told.field(".customer_create", format!("Error creating customers: {}", refusal.title));
    }
    indexed(refusal, at)
}

/// A refusal whose fields begin with the record's index.
pub(crate) fn indexed(mut refusal: Refusal, at: usize) -> Refusal {
    for (field, _) in &mut refusal.errors {
        *field = if field.is_empty() { at.to_string() } else { format!("{at}.{field}") };
    }
    refusal
}

/// `{"batch_errors": [...]}`: price list records are named by their keys.
fn batch_errors(operation: &Operation, errors: &[(usize, Refusal, Object)]) -> String {
    let told: Vec<String> = errors
        .iter()
        .map(|(_, refusal, object)| {
            let mut told = Object::parse(&refusal.object()).unwrap_or_default();
            if is_price_records(&operation.path) {
                let names = ["price_list_id", "variant_id", "sku", "currency"];
                let mut data = Object::default();
                for (name, value) in names.iter().filter_map(|n| Some((*n, object.get(n)?))) {
                    data.set(name, value);
                }
                told.set_first("data", data.to_text());
            }
            told.to_text()
        })
        .collect();
    format!("{{\"batch_errors\":[{}]}}", told.join(","))
}

/// The answer to a batch of which some records were saved and some were not.
pub(crate) fn tell(
    call: &Call<'_>,
    partial: Partial,
    texts: &[String],
    errors: Vec<(usize, Refusal, Object)>,
) -> Answer {
    let (good, bad) = (texts.len(), errors.len());
    let meta = format!("{{\"total\":{},\"success\":{good},\"failed\":{bad}}}", good + bad);
    let data = texts.join(",");
    match partial {
        Partial::BatchErrors => {
            Answer { acted: good > 0, ..Answer::json(422, batch_errors(call.route.operation, &errors)) }
        }
        Partial::Silent | Partial::None => {
            let first = errors.into_iter().next().map(|(at, refusal, _)| indexed(refusal, at));
            let refusal = first.unwrap_or_else(|| Refusal::new(422, "The input was not valid."));
            refusal.after_acting(good > 0).answer(&call.route.operation.path)
        }
        Partial::Listed(status) => {
            let told: Vec<String> = errors.into_iter().map(|(at, refusal, _)| indexed(refusal, at).object()).collect();
            let body = format!("{{\"data\":[{data}],\"errors\":[{}],\"meta\":{meta}}}", told.join(","));
            Answer { acted: good > 0, ..Answer::json(status, body) }
        }
        Partial::Multi => {
            let mut one = Refusal::new(422, "Some of the records were not saved.");
            for (at, refusal, _) in errors {
                one.status = refusal.status;
                one.errors.extend(indexed(refusal, at).errors);
            }
            let told = one.object();
            let bare = call.route.operation.success.get("207").is_some_and(|s| s.envelope == "bare");
            if bare {
                return Answer::json(207, format!("{{\"errors\":{told},\"meta\":{meta}}}"));
            }
            Answer::json(207, format!("{{\"data\":[{data}],\"errors\":{told},\"meta\":{meta}}}"))
        }
    }
}

/// The answer of an operation that was carried out, as if one attribute of the record had not been saved: 207 where it is
/// documented for the operation, the answer itself elsewhere.
pub(crate) fn in_part(route: &Route, answer: Answer) -> Answer {
    let Some(success) = route.operation.success.get("207").filter(|_| (200..300).contains(&answer.status)) else {
        return answer;
    };
    if route.resource.is_v2() {
        let message = match route.resource.key.as_str() {
            "v2:/customer_groups" => "The customer group was saved, but the sitewide discount update failed.",
            _ => "The record was saved, but its URL was not.",
        };
        return Answer::json(207, format!("{{\"status\":207,\"message\":{}}}", quote(message)));
    }
    let mut object = Object::parse(&String::from_utf8_lossy(&answer.body)).unwrap_or_default();
    let error = Refusal::new(207, "The record was saved, but one of its attributes was not.")
        .field("inventory_level", "The inventory data failed to update.");
    object.set("errors", error.object());
    if let Some(data) = object.get("data").map(str::to_owned) {
        match (success.shape.as_str(), success.envelope.as_str()) {
            ("array", _) if !data.starts_with('[') => object.set("data", format!("[{data}]")),
            (_, "bare") if success.shape == "object" => drop(object.remove("data")),
            _ => {}
        }
    }
    Answer::json(207, object.to_text())
}
