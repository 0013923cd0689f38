//! Conditions from the command line to the plan of a query: what is typed is refused in words or means one condition; what the
//! store is asked for is that condition, digit by digit; and a cursor of any place fits the plan or is refused.

use std::sync::LazyLock;

use connector_bigcommerce::compare::{Comparison, Prepared};
use connector_bigcommerce::cursor;
use connector_bigcommerce::decimal::Decimal;
use connector_bigcommerce::plan::{self, Access, Parents, Plan};
use connector_bigcommerce::settings::{Base, Settings};
use connector_bigcommerce::table::{Format, OBJECTS, Object, Type};
use connector_bigcommerce::template::Template;
use connector_bigcommerce::types::{Condition, Order, QueryRequest};
use connector_bigcommerce::url::{self, MOST_QUERY};

use crate::condition::{Op, parse};
use crate::feed::Feed;
use crate::oracle;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| Settings {
    store_hash: "abc123".into(),
    client_id: None,
    access_token: Template::parse("[token]"),
    keep_alive_seconds: None,
    use_proxy: false,
    base: Base::parse("https://api.example.com").unwrap(),
    page_size: 250,
    requests_in_flight: 4,
    connect_timeout_ms: 1000,
    answer_timeout_ms: 1000,
    retry_budget_ms: 1000,
});

/// Takes the first bytes as object and options, the rest as lines of conditions. A field `fN` is the object's N-th one.
pub fn check(data: &[u8]) {
    let mut feed = Feed(data);
    let object: &'static Object = feed.pick(OBJECTS);
    let options = feed.byte();
    let order = feed.byte();
    let Ok(text) = std::str::from_utf8(feed.rest()) else { return };
    let mut filter = Vec::new();
    for line in text.lines().take(6) {
        match parse(line) {
            Ok(read) => filter.push(convert(object, read, options & 1 == 1)),
            Err(failure) => {
                assert!(!failure.causes.is_empty() && failure.hint.is_some(), "{failure:?}");
                let column = failure.detail["column"].as_u64().expect("an error has a column");
                assert!((1..=line.chars().count() as u64 + 1).contains(&column), "{failure:?}");
            }
        }
    }
    let order_by =
        (options & 2 == 2).then(|| Order { field: field(object, order.into()), descending: options & 4 == 4 });
    let request = QueryRequest {
        object: object.name.to_owned(),
        fields: (options & 8 == 8).then(|| field(object, order.into())).into_iter().collect(),
        filter,
        order_by: order_by.into_iter().collect(),
        max_records: (options & 16 == 16).then_some(order.into()),
        ..QueryRequest::default()
    };
    match plan::plan(&request, &SETTINGS) {
        Ok(plan) => planned(object, &request, plan, data),
        Err(error) => {
            assert!(!error.message.is_empty());
            assert!(error.pointer.as_deref().is_some_and(|pointer| pointer.starts_with('/')), "{error:?}");
        }
    }
}

/// The N-th name that a condition can have.
fn field(object: &Object, number: usize) -> String {
    let fields = object.model.map(|model| model.fields).unwrap_or_default();
    let filters = object.reads.iter().flat_map(|read| read.filters.iter().map(|filter| filter.field));
    let names: Vec<&str> = object
        .key
        .iter()
        .copied()
        .chain(object.parents.iter().map(|parent| parent.field))
        .chain(filters)
        .chain(fields.iter().map(|field| field.name))
        .collect();
    names.get(number % names.len().max(1)).copied().unwrap_or("id").to_owned()
}

fn convert(object: &Object, read: crate::condition::Condition, text: bool) -> Condition {
    let number = read.field.strip_prefix('f').and_then(|number| number.parse().ok());
    let values: Vec<String> = read
        .values
        .into_iter()
        .map(|value| {
            assert!(oracle::value(value.json.as_bytes()).is_some(), "`{}` is no JSON", value.json);
            assert!(!value.json.starts_with(['[', '{']));
            value.bare.filter(|_| text).map_or(value.json, |bare| crate::json::quote(&bare))
        })
        .collect();
    let op = match read.op {
        Op::Equal => Comparison::Equal,
        Op::NotEqual => Comparison::NotEqual,
        Op::Less => Comparison::Less,
        Op::LessOrEqual => Comparison::LessOrEqual,
        Op::Greater => Comparison::Greater,
        Op::GreaterOrEqual => Comparison::GreaterOrEqual,
        Op::OneOf => Comparison::OneOf,
        Op::Contains => Comparison::Contains,
    };
    assert!(values.len() == 1 || op == Comparison::OneOf);
    let value = if op == Comparison::OneOf { format!("[{}]", values.join(",")) } else { values.concat() };
    Condition { field: number.map_or(read.field, |number: usize| field(object, number)), op, value }
}

fn planned(object: &'static Object, request: &QueryRequest, mut plan: Plan, data: &[u8]) {
    assert!(!plan.steps.is_empty() && plan.limit() > 0);
    for (_, prepared) in &plan.local {
        records(prepared);
    }
    match &plan.access {
        Access::List(list) => {
            let parameters = |path| url::parameters(path).count();
            if let Parents::Given(parents) = &list.parents {
                assert!(parents.iter().all(|values| values.len() == parameters(list.read.path)));
            }
            for (name, value) in &list.query {
                assert!(!value.is_empty(), "`{name}` is empty, which some endpoints take for no condition");
            }
            let asked = list.query.iter().filter(|(name, _)| name != "include_fields");
            let asked = url::with_query("", asked.map(|(name, value)| (name.as_str(), value.as_str())));
            assert!(asked.len() <= MOST_QUERY, "{} bytes of query", asked.len());
            if let [only] = request.filter.as_slice() {
                digits(object, only, list);
            }
        }
        Access::Items { keys, .. } => assert!(keys.iter().all(|key| key.len() == object.key.len())),
    }
    let text = String::from_utf8_lossy(data);
    if let Some((_, cursor)) = text.split_once('\u{1}')
        && let Ok((_, position)) = cursor::read(cursor, plan.digest)
    {
        plan.keep_page_size(&position);
        assert!(plan.limit() > 0);
    }
}

/// A number that the store is asked for is the number of the condition, whatever its notation.
fn digits(object: &Object, condition: &Condition, list: &plan::List) {
    let Some(node) = object.model.and_then(|model| model.field(&condition.field)).map(|field| field.node) else {
        return;
    };
    if node.format != Format::Plain || !matches!(node.ty, Type::Integer | Type::Number) {
        return;
    }
    let Some(wanted) = Decimal::parse(&condition.value) else { return };
    for filter in list.read.filters.iter().filter(|filter| filter.field == condition.field && filter.values.is_empty())
    {
        for (name, value) in &list.query {
            if name == filter.param {
                let asked = Decimal::parse(value);
                assert_eq!(asked.as_ref(), Some(&wanted), "asks for {name}={value} instead of {}", condition.value);
            }
        }
    }
}

/// Evaluates a condition on values of every kind: it must not depend on what the documents promise.
fn records(prepared: &Prepared) {
    for value in [
        "null",
        "true",
        "0",
        "-1",
        "25.00",
        "1e400",
        "\"\"",
        "\"a\"",
        "\"25.0000\"",
        "\"2024-05-01T10:00:00Z\"",
        "\"Tue, 13 Mar 2018 16:18:59 +0000\"",
        "1700000000",
        "[]",
        "[1,\"a\"]",
        "{}",
        "\"\\ud800\"",
    ] {
        prepared.holds(Some(value.as_bytes()));
    }
    assert_eq!(prepared.holds(None), prepared.holds(Some(b"null")), "a missing field is null");
}
