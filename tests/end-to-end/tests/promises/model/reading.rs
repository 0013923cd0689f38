//! Random queries: the result is the model's, whatever faults strike; and where rows change under a read, it differs by no more
//! than the consistency of the reading announces.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bigcommerce_emulator::{Effect, Empty, Fault};
use connector_host::contract::{Comparison, Condition, Consistency, ErrorKind, QueryRequest};
use connector_host::{CallError, Connection};
use end_to_end::{Bench, condition, order, query};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::{Rng, rounds, store};

/// What a field holds, as far as comparing goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Holds {
    Number,
    Text,
    Date,
    Flag,
}

use Holds::{Date, Flag, Number, Text};

/// An object whose records the model knows: its resource, where its requests go, and fields that can be asked for.
struct Known {
    object: &'static str,
    path: &'static str,
    fields: &'static [(&'static str, Holds)],
}

const KNOWN: &[Known] = &[
    Known {
        object: "products",
        path: "/v3/catalog/products",
        fields: &[
            ("id", Number),
            ("price", Number),
            ("inventory_level", Number),
            ("brand_id", Number),
            ("name", Text),
            ("sku", Text),
            ("type", Text),
            ("is_visible", Flag),
            ("date_modified", Date),
        ],
    },
    Known {
        object: "customers",
        path: "/v3/customers",
        fields: &[
            ("id", Number),
            ("email", Text),
            ("last_name", Text),
            ("company", Text),
            ("customer_group_id", Number),
            ("date_created", Date),
        ],
    },
    Known {
        object: "brands",
        path: "/v3/catalog/brands",
        fields: &[("id", Number), ("name", Text), ("page_title", Text)],
    },
    Known {
        object: "coupons",
        path: "/v2/coupons",
        fields: &[("id", Number), ("code", Text), ("name", Text), ("amount", Number)],
    },
    Known {
        object: "orders",
        path: "/v2/orders",
        fields: &[
            ("id", Number),
            ("status_id", Number),
            ("customer_id", Number),
            ("total_inc_tax", Number),
            ("payment_method", Text),
            ("date_created", Date),
        ],
    },
    Known {
        object: "customers/addresses",
        path: "/v3/customers/addresses",
        fields: &[("id", Number), ("customer_id", Number), ("city", Text), ("country_code", Text)],
    },
    Known {
        object: "products/images",
        path: "/v3/catalog/products",
        fields: &[("id", Number), ("product_id", Number), ("is_thumbnail", Flag)],
    },
];

/// Everything stored, by id.
fn stored(bench: &Bench, known: &Known) -> BTreeMap<u64, Value> {
    let texts = bench.store.store().texts(known.object);
    let values = texts.iter().map(|text| serde_json::from_str::<Value>(text).unwrap());
    // The emulated lists leave archived orders out.
    let listed = values.filter(|value| value["is_deleted"] != json!(true));
    listed.map(|value| (value["id"].as_u64().unwrap(), value)).collect()
}

/// A record whose values keep the digits that they have in the store.
type Exact = BTreeMap<String, Box<RawValue>>;

/// The same records: what a condition names must be what the store holds, and no binary float that is near it.
fn exact(bench: &Bench, known: &Known) -> Vec<Exact> {
    let texts = bench.store.store().texts(known.object);
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn date(value: &Value) -> Option<OffsetDateTime> {
    let text = value.as_str()?;
    OffsetDateTime::parse(text, &Rfc3339).or_else(|_| OffsetDateTime::parse(text, &Rfc2822)).ok()
}

/// Whether a record meets a condition, as the contract has it.
fn holds(record: &Value, holds: Holds, asked: &Condition) -> bool {
    let wanted: Value = serde_json::from_str(&asked.value).unwrap();
    let value = &record[&asked.field];
    let equal = |wanted: &Value| match holds {
        _ if value.is_null() || wanted.is_null() => value.is_null() && wanted.is_null(),
        Number => number(value) == number(wanted),
        Date => date(value) == date(wanted),
        Text | Flag => value == wanted,
    };
    let ordered = || match holds {
        Number => number(value)?.partial_cmp(&number(&wanted)?),
        Date => Some(date(value)?.cmp(&date(&wanted)?)),
        Text => Some(value.as_str()?.cmp(wanted.as_str()?)),
        Flag => None,
    };
    match asked.op {
        Comparison::Equal => equal(&wanted),
        Comparison::NotEqual => !equal(&wanted),
        Comparison::OneOf => wanted.as_array().unwrap().iter().any(equal),
        Comparison::Less => ordered().is_some_and(|o| o.is_lt()),
        Comparison::LessOrEqual => ordered().is_some_and(|o| o.is_le()),
        Comparison::Greater => ordered().is_some_and(|o| o.is_gt()),
        Comparison::GreaterOrEqual => ordered().is_some_and(|o| o.is_ge()),
        Comparison::Contains => {
            let lower = |v: &Value| v.as_str().unwrap_or_default().to_lowercase();
            value.is_string() && lower(value).contains(&lower(&wanted))
        }
    }
}

/// A condition that some records meet and some do not, as a rule.
fn some_condition(rng: &mut Rng, known: &Known, all: &[Exact]) -> (Condition, Holds) {
    let (field, kind) = *rng.pick(known.fields);
    let values: Vec<&str> = all.iter().filter_map(|record| Some(record.get(field)?.get())).collect();
    let values: Vec<&str> = values.into_iter().filter(|value| !["null", "\"\""].contains(value)).collect();
    // The model compares numbers as binary floats, which tell apart what has up to 15 digits.
    let values: Vec<&str> = values.into_iter().filter(|value| kind != Number || value.len() <= 15).collect();
    let Some(sample) = (!values.is_empty()).then(|| *rng.pick(&values)) else {
        return (condition("id", Comparison::Greater, json!(0)), Number);
    };
    let orders = [Comparison::Less, Comparison::LessOrEqual, Comparison::Greater, Comparison::GreaterOrEqual];
    let op = match kind {
        Flag => *rng.pick(&[Comparison::Equal, Comparison::NotEqual]),
        Date => *rng.pick(&orders),
        Number if rng.once_in(2) => *rng.pick(&orders),
        Text if rng.once_in(2) => Comparison::Contains,
        _ => *rng.pick(&[Comparison::Equal, Comparison::NotEqual, Comparison::OneOf]),
    };
    let value = match op {
        Comparison::OneOf => {
            let many = rng.between(1, 40);
            let many: Vec<&str> = (0..many).map(|_| *rng.pick(&values)).collect();
            format!("[{}]", many.join(","))
        }
        Comparison::Contains => {
            let text: Vec<char> = serde_json::from_str::<String>(sample).unwrap().chars().collect();
            let from = rng.below(text.len());
            let to = rng.between(from + 1, text.len());
            json!(text[from..to].iter().collect::<String>()).to_string()
        }
        _ => sample.to_owned(),
    };
    (Condition { field: field.to_owned(), op, value }, kind)
}

/// What may strike a read that shall succeed all the same. Most of them cost a wait of half a second; a 500, which
/// would cost a minute, is left to the component's own tests.
fn some_fault(rng: &mut Rng, path: &str) -> Fault {
    let effect = match rng.below(16) {
        0 => Effect::status(*rng.pick(&[502, 503, 504])),
        1 => Effect::ResetBeforeReading,
        2 => Effect::ResetBeforeAnswering,
        3 => Effect::ResetInBody,
        4 => Effect::EndInBody,
        5 => Effect::TruncatedJson,
        6 => Effect::SlowBody { piece: 4_000, pause: Duration::from_millis(2) },
        7 => Effect::Pretty,
        8 => Effect::Delay(Duration::from_millis(30)),
        _ => Effect::too_many(Duration::from_millis(20)),
    };
    Fault::on("GET", path, effect).nth(rng.between(1, 4))
}

/// Behaviour that the documents leave open.
fn some_switches(rng: &mut Rng, bench: &Bench) {
    bench.store.switch(|switches| {
        switches.pretty = rng.once_in(8);
        switches.v3_past_end = *rng.pick(&[Empty::List, Empty::NoContent, Empty::NotFound]);
        switches.v2_past_end = *rng.pick(&[Empty::List, Empty::NoContent]);
        switches.empty_lists_no_content = rng.once_in(2);
        switches.refuse_large_limit = rng.once_in(2);
        // A store that caps gives at least what it gives when nothing is asked for.
        switches.undocumented_cap = *rng.pick(&[50, 60, 250]);
        switches.swapped_metafield_cursors = rng.once_in(2);
        switches.verbose_errors = rng.once_in(2);
        switches.concurrency_limits = !rng.once_in(4);
        switches.refuse_unknown_parameters = rng.once_in(2);
        switches.quota_headers = !rng.once_in(4);
        switches.quota_headers_on_429 = !rng.once_in(4);
    });
}

/// Rows that came or went while the query ran.
#[derive(Default)]
struct Changes {
    came: BTreeMap<u64, Value>,
    went: BTreeSet<u64>,
}

/// Takes rows away and puts others in: into holes, and behind the end.
fn disturb(rng: &mut Rng, bench: &Bench, known: &Known, all: &BTreeMap<u64, Value>, changes: &mut Changes) {
    let ids: Vec<u64> = all.keys().copied().collect();
    if ids.is_empty() {
        return;
    }
    for _ in 0..rng.below(4) {
        let id = *rng.pick(&ids);
        // An order that is archived leaves the lists too.
        let gone = if known.object == "orders" && !changes.went.contains(&id) && rng.once_in(2) {
            let mut record = all[&id].clone();
            record["is_deleted"] = json!(true);
            bench.store.store().insert(known.object, &record.to_string()).is_some()
        } else {
            bench.store.store().remove(known.object, i64::try_from(id).unwrap())
        };
        if gone {
            changes.went.insert(id);
        }
    }
    for _ in 0..rng.below(4) {
        let near = *rng.pick(&ids);
        let id = if rng.once_in(2) { near + 1 } else { ids[ids.len() - 1] + rng.between(1, 500) as u64 };
        if all.contains_key(&id) || changes.came.contains_key(&id) {
            continue;
        }
        let mut record = all[&near].clone();
        record["id"] = json!(id);
        if bench.store.store().insert(known.object, &record.to_string()).is_some() {
            changes.came.insert(id, record);
        }
    }
}

/// Reads a query to its end: over several instances at times, with changes between its pages where they are wanted.
async fn read(
    rng: &mut Rng,
    connection: &Connection,
    request: QueryRequest,
    mut between: impl FnMut(&mut Rng),
) -> Result<Vec<Value>, CallError> {
    let mut pages = connection.query(request.clone()).await?;
    let mut out = Vec::new();
    while let Some(page) = pages.next().await? {
        let text = String::from_utf8(page.records).unwrap();
        assert_eq!(text.lines().count(), page.count as usize);
        out.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        between(rng);
        if let (Some(next), true) = (page.next, rng.once_in(4)) {
            // Another instance goes on; what is wanted in all is part of the request and stays.
            pages = connection.query(QueryRequest { cursor: Some(next), ..request.clone() }).await?;
        }
    }
    Ok(out)
}

/// One random query, held against the model. Says whether it ran.
async fn ask(rng: &mut Rng, bench: &Bench, connection: &Connection, told: &str) -> bool {
    let known = rng.pick(KNOWN);
    let all = stored(bench, known);
    let exact = exact(bench, known);
    let mut request = query(known.object);
    request.page_size = rng.once_in(2).then(|| rng.between(1, 60) as u32);
    let conditions: Vec<(Condition, Holds)> =
        (0..*rng.pick(&[0, 1, 1, 2])).map(|_| some_condition(rng, known, &exact)).collect();
    request.filter = conditions.iter().map(|(condition, _)| condition.clone()).collect();
    let ordered = rng.once_in(5).then(|| (*rng.pick(known.fields), rng.once_in(2)));
    if let Some(((field, _), descending)) = ordered {
        request.order_by = vec![order(field, descending)];
    }
    let disturbed = rng.once_in(3);
    request.max_records = (!disturbed && rng.once_in(4)).then(|| rng.between(1, 100) as u64);
    if rng.once_in(4) {
        request.fields = vec!["id".to_owned()];
        for _ in 0..rng.between(1, 3) {
            let field = rng.pick(known.fields).0.to_owned();
            if !request.fields.contains(&field) {
                request.fields.push(field);
            }
        }
    }
    let told = format!("{told}: {request:?}");
    let consistency = match connection.explain(&request).await {
        Ok(plan) => plan.consistency,
        Err(CallError::Connector(error)) if error.kind == ErrorKind::Unsupported => return false,
        Err(error) => panic!("{told}: {error}"),
    };
    for _ in 0..rng.below(3) {
        bench.fault(some_fault(rng, known.path));
    }
    let mut changes = Changes::default();
    let between = |rng: &mut Rng| {
        if disturbed {
            disturb(rng, bench, known, &all, &mut changes);
        }
    };
    let got = read(rng, connection, request.clone(), between).await;
    bench.store.clear_faults();
    let got = got.unwrap_or_else(|error| panic!("{told}: {error:?}"));

    let fits = |record: &Value| conditions.iter().all(|(condition, kind)| holds(record, *kind, condition));
    let expected: BTreeMap<u64, &Value> = all.iter().filter(|(_, r)| fits(r)).map(|(id, r)| (*id, r)).collect();
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    for record in &got {
        let id = record["id"].as_u64().unwrap();
        *seen.entry(id).or_default() += 1;
        let known = expected.get(&id).copied().or_else(|| changes.came.get(&id).filter(|r| fits(r)));
        let known = known.unwrap_or_else(|| panic!("{told}: this record does not belong here: {record}"));
        if request.fields.is_empty() {
            assert_eq!(record, known, "{told}");
        } else {
            let names: BTreeSet<&String> = record.as_object().unwrap().keys().collect();
            let wanted: BTreeSet<&String> = request.fields.iter().filter(|f| known.get(f.as_str()).is_some()).collect();
            assert_eq!(names, wanted, "{told}");
            assert!(wanted.iter().all(|name| record[name.as_str()] == known[name.as_str()]), "{told}: {record}");
        }
    }
    let missed: Vec<u64> =
        expected.keys().filter(|id| !seen.contains_key(id) && !changes.went.contains(id)).copied().collect();
    let doubled: Vec<u64> = seen.iter().filter(|(_, times)| **times > 1).map(|(id, _)| *id).collect();
    match request.max_records {
        Some(most) => {
            assert_eq!(got.len(), expected.len().min(most as usize), "{told}");
            assert!(doubled.is_empty(), "{told}: doubled {doubled:?}");
        }
        None if consistency == Consistency::Stable => {
            assert!(missed.is_empty() && doubled.is_empty(), "{told}: missed {missed:?}, doubled {doubled:?}");
        }
        // Pages by number: what goes before a page pulls one record past it, what comes pushes one into the next page.
        None => {
            let (came, went) = (changes.came.len(), changes.went.len());
            assert!(missed.len() <= went, "{told}: missed {missed:?}, {went} went");
            assert!(doubled.len() <= came, "{told}: doubled {doubled:?}, {came} came");
        }
    }
    if let (Some(((field, kind), descending)), true) = (ordered, changes.came.is_empty()) {
        let all_in_order = got.windows(2).all(|pair| {
            let (a, b) =
                if descending { (&pair[1][field], &pair[0][field]) } else { (&pair[0][field], &pair[1][field]) };
            match kind {
                // The API orders texts in a way of its own.
                Text | Flag => true,
                Number => number(a).zip(number(b)).is_none_or(|(a, b)| a <= b),
                Date => date(a).zip(date(b)).is_none_or(|(a, b)| a <= b),
            }
        });
        let shown = request.fields.is_empty() || request.fields.iter().any(|f| f == field);
        assert!(all_in_order || !shown, "{told}: not in order");
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_gives_what_the_model_gives_whatever_strikes_it() {
    let (mut asked, mut ran) = (0, 0);
    for (seed, mut rng) in rounds("model reading", 3) {
        let bench = Bench::with(store(seed, &mut rng, 400)).await;
        let connection = bench.open(json!({ "requests_in_flight": rng.between(1, 8) })).await.unwrap();
        for number in 0..10 {
            some_switches(&mut rng, &bench);
            asked += 1;
            let told = format!("CONNECTOR_TEST_SEED={seed}, query {number}");
            ran += usize::from(ask(&mut rng, &bench, &connection, &told).await);
        }
    }
    println!("model reading: {ran} of {asked} queries ran, the others are unsupported");
    assert!(ran * 2 > asked, "only {ran} of {asked} queries ran");
}
