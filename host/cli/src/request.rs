//! Conditions and orders as people write them, as the contract has them.

use connector_host::Connection;
use connector_host::contract::{Comparison, Condition, Order};
use serde_json::Value;

use crate::condition::{self, Op};
use crate::error::{Failure, Failures, Result};
use crate::session::{describe, parse_schema};

/// All of them, or everything that is wrong with them.
pub(crate) fn read_all<T>(results: impl Iterator<Item = Result<T, Failure>>) -> Result<Vec<T>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => good.push(value),
            Err(failure) => bad.push(failure),
        }
    }
    Failures::check(bad)?;
    Ok(good)
}

/// An order: `FIELD`, `FIELD asc`, `FIELD desc`, or `-FIELD` for the latter.
pub(crate) fn order(text: &str) -> Result<Order, Failure> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (field, descending) = match words.as_slice() {
        [field] => match field.strip_prefix('-').filter(|field| !field.is_empty()) {
            Some(field) => (field, true),
            None => (*field, false),
        },
        [field, word] if word.eq_ignore_ascii_case("asc") => (*field, false),
        [field, word] if word.eq_ignore_ascii_case("desc") => (*field, true),
        _ => {
            return Err(Failure::new(format!("cannot read the order `{text}`"))
                .hint("an order is FIELD, FIELD asc, FIELD desc or -FIELD"));
        }
    };
    Ok(Order { field: field.to_owned(), descending })
}

/// Conditions as people write them, each mistake at its member.
pub(crate) fn conditions(texts: &[String]) -> impl Iterator<Item = Result<condition::Condition, Failure>> {
    texts.iter().enumerate().map(|(index, text)| condition::parse(text).map_err(|failure| at("where", index, failure)))
}

/// Orders as people write them, each mistake at its member.
pub(crate) fn orders(texts: &[String]) -> impl Iterator<Item = Result<Order, Failure>> {
    texts.iter().enumerate().map(|(index, text)| order(text).map_err(|failure| at("order_by", index, failure)))
}

fn at(member: &str, index: usize, failure: Failure) -> Failure {
    failure.with("kind", "invalid-request").with("pointer", format!("/{member}/{index}"))
}

/// Puts a connector's failures at the members of a query as people write it, whose first conditions, `texts` of them, stand in
/// `where`: the contract has them all in `filter`, and its names have `-`.
pub(crate) fn place(mut failures: Failures, texts: usize) -> Failures {
    for failure in &mut failures.0 {
        if let Some(Value::String(pointer)) = failure.detail.get_mut("pointer") {
            *pointer = placed(pointer, texts);
        }
    }
    failures
}

fn placed(pointer: &str, texts: usize) -> String {
    let mut parts = pointer.split('/').skip(1);
    let (member, index) = (parts.next().unwrap_or_default(), parts.next());
    match (member, index.and_then(|index| index.parse::<usize>().ok())) {
        ("filter", Some(index)) if index < texts => format!("/where/{index}"),
        ("filter", Some(index)) => {
            let rest: String = parts.map(|part| format!("/{part}")).collect();
            format!("/filter/{}{rest}", index - texts)
        }
        ("filter", None) if texts > 0 => "/where".to_owned(),
        ("order-by", Some(index)) => format!("/order_by/{index}"),
        ("order-by" | "page-size" | "max-records", None) => format!("/{}", member.replace('-', "_")),
        _ => pointer.to_owned(),
    }
}

/// The conditions as the contract has them. What was typed without quotes is a text where the field holds texts.
pub(crate) async fn filter(
    connection: &Connection,
    object: &str,
    conditions: Vec<condition::Condition>,
) -> Result<Vec<Condition>> {
    let doubtful = |c: &condition::Condition| c.values.iter().any(|v| v.bare.as_ref() == Some(&v.json));
    let schema = if conditions.iter().any(doubtful) {
        describe(connection, object).await?.query.map(|q| parse_schema(&q.request)).transpose()?
    } else {
        None
    };
    let convert = |condition: condition::Condition| {
        let types = schema.as_ref().and_then(|s| Some(s.types(s.property(s.root(), &condition.field)?)));
        let text_wanted = types.is_some_and(crate::schema::Types::only_text) || condition.op == Op::Contains;
        let mut values = condition.values.into_iter().map(|value| match value.bare {
            Some(bare) if text_wanted && bare != "null" => crate::json::quote(&bare),
            _ => value.json,
        });
        let value = if condition.op == Op::OneOf {
            format!("[{}]", values.collect::<Vec<_>>().join(","))
        } else {
            values.next().unwrap_or_default()
        };
        Condition { field: condition.field, op: comparison(condition.op), value }
    };
    Ok(conditions.into_iter().map(convert).collect())
}

fn comparison(op: Op) -> Comparison {
    match op {
        Op::Equal => Comparison::Equal,
        Op::NotEqual => Comparison::NotEqual,
        Op::Less => Comparison::Less,
        Op::LessOrEqual => Comparison::LessOrEqual,
        Op::Greater => Comparison::Greater,
        Op::GreaterOrEqual => Comparison::GreaterOrEqual,
        Op::OneOf => Comparison::OneOf,
        Op::Contains => Comparison::Contains,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_connectors_failures_are_told_at_the_members_that_were_written() {
        for (pointer, texts, written) in [
            ("/filter/0/value", 1, "/where/0"),
            ("/filter/1/value", 1, "/filter/0/value"),
            ("/filter/0", 0, "/filter/0"),
            ("/filter", 0, "/filter"),
            ("/filter", 2, "/where"),
            ("/order-by/0/field", 0, "/order_by/0"),
            ("/page-size", 0, "/page_size"),
            ("/fields/2", 1, "/fields/2"),
        ] {
            let failures = Failures::from(Failure::new("no").with("pointer", pointer));
            assert_eq!(place(failures, texts).0[0].detail["pointer"], written, "{pointer}");
        }
    }

    #[test]
    fn an_order_is_a_field_and_a_direction() {
        assert!(order("name desc").unwrap().descending);
        assert!(!order(" name ASC").unwrap().descending);
        assert!(!order("name").unwrap().descending);
        assert_eq!(order("-name").unwrap(), Order { field: "name".to_owned(), descending: true });
        assert_eq!(order("-").unwrap().field, "-", "which the connector does not know");
        assert!(order("name down").is_err());
        assert!(order("").is_err());
    }
}
