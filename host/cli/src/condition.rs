//! Conditions as they are typed: `price >= 10`, `name contains "red shirt"`, `id in (1, 2, 3)`.
//!
//! A value is JSON (`10`, `25.00`, `true`, `null`, `"text"`) or bare text (`2024-05-01`, `red shirt`), which stands for a JSON
//! string. Numbers stay as they are typed. Which fields exist, and what can be asked of them, the connector knows.

use crate::error::Failure;

/// How a condition compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in (...)`
    OneOf,
    /// `contains`
    Contains,
}

/// One value of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    /// As JSON, digits as typed.
    pub json: String,
    /// The typed text, unless it was quoted: a field that holds texts compares with this, so that `sku = 123` finds "123".
    pub bare: Option<String>,
}

/// A condition that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Name of the field.
    pub field: String,
    /// The comparison.
    pub op: Op,
    /// One value; for `in` any number of them.
    pub values: Vec<Operand>,
}

const SYMBOLS: [(&str, Op); 6] = [
    ("!=", Op::NotEqual),
    ("<=", Op::LessOrEqual),
    (">=", Op::GreaterOrEqual),
    ("=", Op::Equal),
    ("<", Op::Less),
    (">", Op::Greater),
];

const FORMS: &str = "a condition is FIELD OP VALUE, with =, !=, <, <=, >, >=, in (A, B), or contains";

/// Reads one condition. An error points at the place in the text.
pub(crate) fn parse(text: &str) -> Result<Condition, Failure> {
    Parser { text, at: 0 }.condition().map_err(|(at, message)| {
        let column = text.get(..at).unwrap_or(text).chars().count();
        Failure::new(format!("cannot read the condition `{text}`"))
            .cause(format!("column {}: {message}\n  {text}\n  {}^", column + 1, " ".repeat(column)))
            .hint(FORMS)
            .with("column", column + 1)
    })
}

type Parsed<T> = Result<T, (usize, String)>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err((self.at, message.into()))
    }

    fn condition(&mut self) -> Parsed<Condition> {
        self.skip_spaces();
        let end = self.rest().find(|c: char| c.is_whitespace() || "=!<>()\"'".contains(c)).unwrap_or(self.rest().len());
        let field = self.rest().get(..end).unwrap_or("").to_owned();
        if field.is_empty() {
            return self.fail("a field name is missing");
        }
        self.at += end;
        self.skip_spaces();
        let op = self.operator(&field)?;
        self.skip_spaces();
        let values = if op == Op::OneOf { self.list()? } else { vec![self.single()?] };
        Ok(Condition { field, op, values })
    }

    fn operator(&mut self, field: &str) -> Parsed<Op> {
        let rest = self.rest();
        // All of them: `>>=` is no `>` before a value `>=`.
        let symbols = rest.find(|c| !"=!<>".contains(c)).unwrap_or(rest.len());
        if let Some(symbol) = rest.get(..symbols).filter(|symbol| !symbol.is_empty()) {
            let Some((_, op)) = SYMBOLS.iter().find(|(known, _)| *known == symbol) else {
                return self.fail(format!("there is no operator `{symbol}`"));
            };
            self.at += symbol.len();
            return Ok(*op);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or("");
        let op = match word.to_ascii_lowercase().as_str() {
            "in" => Op::OneOf,
            "contains" => Op::Contains,
            "" => return self.fail(format!("an operator is missing after `{field}`")),
            _ => return self.fail(format!("there is no operator `{word}`")),
        };
        self.at += end;
        Ok(op)
    }

    fn single(&mut self) -> Parsed<Operand> {
        if self.rest().trim().is_empty() {
            return self.fail("a value is missing");
        }
        if self.rest().starts_with('"') {
            let operand = self.quoted()?;
            self.skip_spaces();
            if !self.rest().is_empty() {
                return self.fail("the value ends before this");
            }
            return Ok(operand);
        }
        let text = self.rest().trim_end();
        self.bare(text)
    }

    fn list(&mut self) -> Parsed<Vec<Operand>> {
        if !self.rest().starts_with('(') {
            return self.fail("`in` takes its values in brackets: in (1, 2)");
        }
        self.at += 1;
        let mut values = Vec::new();
        loop {
            self.skip_spaces();
            if self.rest().starts_with('"') {
                values.push(self.quoted()?);
            } else {
                let Some(end) = self.rest().find([',', ')']) else {
                    self.at = self.text.len();
                    return self.fail("the closing bracket is missing");
                };
                let item = self.rest().get(..end).unwrap_or("").trim_end();
                if item.is_empty() {
                    return self.fail("a value is missing");
                }
                values.push(self.bare(item)?);
                self.at += end;
            }
            self.skip_spaces();
            match self.rest().chars().next() {
                Some(',') => self.at += 1,
                Some(')') => {
                    self.at += 1;
                    self.skip_spaces();
                    if !self.rest().is_empty() {
                        return self.fail("the list ends before this");
                    }
                    return Ok(values);
                }
                Some(_) => return self.fail("a comma or the closing bracket is missing"),
                None => return self.fail("the closing bracket is missing"),
            }
        }
    }

    fn quoted(&mut self) -> Parsed<Operand> {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<String>();
        match values.next() {
            Some(Ok(text)) => {
                self.at += values.byte_offset();
                Ok(Operand { json: crate::json::quote(&text), bare: None })
            }
            _ => self.fail("this text in quotes is not closed, or holds a bad escape (JSON rules)"),
        }
    }

    fn bare(&self, text: &str) -> Parsed<Operand> {
        if text.starts_with('\'') {
            return self.fail("text is quoted with \", not with '");
        }
        if text.starts_with(['[', '{']) {
            return self.fail("a condition compares with single values, not with lists or objects");
        }
        let bare = Some(text.to_owned());
        let json = if crate::json::is_scalar(text) { text.to_owned() } else { crate::json::quote(text) };
        Ok(Operand { json, bare })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn read(text: &str) -> (String, Op, Vec<String>) {
        let c = parse(text).unwrap_or_else(|f| panic!("{text}: {f:?}"));
        (c.field, c.op, c.values.into_iter().map(|v| v.json).collect())
    }

    #[test]
    fn every_operator_is_read_with_and_without_spaces() {
        for (symbol, op) in SYMBOLS {
            assert_eq!(read(&format!("price{symbol}10")), ("price".into(), op, vec!["10".into()]));
            assert_eq!(read(&format!(" price  {symbol}  10 ")), ("price".into(), op, vec!["10".into()]));
        }
        assert_eq!(read("name contains red"), ("name".into(), Op::Contains, vec!["\"red\"".into()]));
        assert_eq!(read("id IN(1,2)"), ("id".into(), Op::OneOf, vec!["1".into(), "2".into()]));
    }

    #[test]
    fn numbers_keep_the_digits_that_were_typed() {
        for number in ["25.00", "1e400", "12345678901234567890", "-0.10"] {
            assert_eq!(read(&format!("price = {number}")).2, [number]);
        }
    }

    #[test]
    fn what_is_not_json_is_text() {
        assert_eq!(read("date_modified > 2024-05-01T10:00:00Z").2, ["\"2024-05-01T10:00:00Z\""]);
        assert_eq!(read("name = red shirt, large").2, ["\"red shirt, large\""]);
        assert_eq!(read("sku = 0123").2, ["\"0123\""]);
        assert_eq!(read(r#"name = "a \"b\"""#).2, [r#""a \"b\"""#]);
        assert_eq!(read("deleted_at = null").2, ["null"]);
        assert_eq!(read("is_visible = true").2, ["true"]);
        assert_eq!(parse("sku = 123").unwrap().values[0].bare.as_deref(), Some("123"));
        assert_eq!(parse("sku = \"123\"").unwrap().values[0].bare, None);
    }

    #[test]
    fn a_quoted_text_in_a_list_may_hold_commas_and_brackets() {
        assert_eq!(read(r#"name in ("a, b)", c d ,3)"#).2, ["\"a, b)\"", "\"c d\"", "3"]);
    }

    #[test]
    fn errors_point_at_the_place() {
        for (text, column) in [
            ("", 1),
            ("= 3", 1),
            ("price", 6),
            ("price 10", 7),
            ("price ~ 10", 7),
            ("price == 10", 7),
            ("price <> 10", 7),
            ("price >>= 10", 7),
            ("price=>10", 6),
            ("price >", 8),
            ("größe >", 8),
            ("name = \"abc", 8),
            ("name = \"abc\" d", 14),
            ("name = 'abc'", 8),
            ("id = [1]", 6),
            ("id in 1, 2", 7),
            ("id in (1, 2", 12),
            ("id in (1,, 2)", 10),
            ("id in ()", 8),
            ("id in (1) x", 11),
            ("id in (\"a\" 2)", 12),
        ] {
            let failure = parse(text).unwrap_err();
            assert_eq!(failure.detail["column"], column, "{text}: {failure:?}");
        }
    }
}
