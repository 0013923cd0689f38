//! The language of mappings: jq, as the library jaq has it. Numbers that a program only passes on keep their digits.
//!
//! A program may loop for ever, take all memory or call itself until the stack ends, and nothing inside a process can stop it then.
//! So programs run in a process of their own (`mapper.rs`), whose main function is [`serve`]: it has no environment and no files, and
//! takes at most [`MEMORY`]. It reads the program, then records; it answers with lines that begin with a word: `ready`, `refused`,
//! then for each record `out` any number of times, or `failed`, and `done`.

use std::io::{self, BufRead, Write};

use jaq_core::load::{Arena, File, Loader, lex, parse};
use jaq_core::{Compiler, Ctx, Filter, Vars, compile, data, load, unwrap_valr};
use jaq_json::{Val, read, write};

use crate::json;

/// Address space of the process, bytes.
const MEMORY: u64 = 1 << 30;
/// Records that one record may become.
const MOST_OUTPUTS: usize = 10_000;
/// Bytes that they may have together: what fits into one call.
const MOST_BYTES: usize = 8 << 20;

type Data = data::JustLut<Val>;

/// A program that can run.
struct Program(Filter<Data>);

impl Program {
    /// # Errors
    /// What is wrong, with its line.
    fn compile(code: &str) -> Result<Self, String> {
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules =
            Loader::new(defs).load(&arena, File { code, path: () }).map_err(|errors| not_read(code, errors))?;
        let filter = Compiler::default().with_funs(funs).compile(modules).map_err(|errors| not_known(code, errors))?;
        Ok(Self(filter))
    }

    /// What becomes of a record.
    ///
    /// # Errors
    /// What the program says, or what is wrong with what it gives.
    fn run(&self, record: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let record = read::parse_single(record).map_err(|e| e.to_string())?;
        let context = Ctx::<Data>::new(&self.0.lut, Vars::new([]));
        let (mut all, mut bytes) = (Vec::new(), 0);
        for output in self.0.id.run((context, record)).map(unwrap_valr) {
            let value = output.map_err(said)?;
            if !matches!(value, Val::Obj(_)) {
                return Err(format!("the mapping gives {}, and a record is an object", kind(&value)));
            }
            let mut text = Vec::new();
            write::write(&mut text, &write::Pp::default(), 0, &value).map_err(|e| e.to_string())?;
            // Infinity, NaN and bytes are written in ways that JSON does not have.
            if !std::str::from_utf8(&text).is_ok_and(json::is_value) {
                return Err(
                    "the mapping gives a value that JSON cannot hold (infinite, not a number, or bytes)".to_owned()
                );
            }
            bytes += text.len();
            all.push(text);
            if all.len() > MOST_OUTPUTS || bytes > MOST_BYTES {
                return Err(format!(
                    "the mapping makes more than {MOST_OUTPUTS} records or {} MiB of one record",
                    MOST_BYTES >> 20
                ));
            }
        }
        Ok(all)
    }
}

/// What a program says when it fails.
fn said(error: jaq_json::Error) -> String {
    match error.into_val() {
        Val::TStr(text) => String::from_utf8_lossy(&text).into_owned(),
        other => other.to_string(),
    }
}

fn kind(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "a truth value",
        Val::Num(_) => "a number",
        Val::Arr(_) => "an array",
        Val::Obj(_) => "an object",
        _ => "a text",
    }
}

/// A mistake at a part of the program.
fn mistake(code: &str, part: &str, what: &str) -> String {
    let at = load::span(code, part).start;
    let before = code.get(..at).unwrap_or(code);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let found: String = part.chars().take(20).collect();
    let found = if found.is_empty() { "the end".to_owned() } else { format!("`{}`", found.escape_debug()) };
    format!("line {line}, column {column}: {what} at {found}")
}

fn not_read(code: &str, errors: load::Errors<&str, ()>) -> String {
    let told = errors.into_iter().flat_map(|(_, error)| match error {
        load::Error::Io(list) => {
            list.into_iter().map(|(path, _)| mistake(code, path, "a program reads no other files")).collect::<Vec<_>>()
        }
        load::Error::Lex(list) => list
            .into_iter()
            .map(|(expected, found): lex::Error<&str>| mistake(code, found, &format!("expected {}", expected.as_str())))
            .collect(),
        load::Error::Parse(list) => list
            .into_iter()
            .map(|(expected, found): parse::Error<&str>| {
                mistake(code, found, &format!("expected {}", expected.as_str()))
            })
            .collect(),
    });
    told.collect::<Vec<_>>().join("; ")
}

fn not_known(code: &str, errors: compile::Errors<&str, ()>) -> String {
    let all = errors.into_iter().flat_map(|(_, list)| list);
    let told = all.map(|(found, undefined)| mistake(code, found, &format!("there is no such {}", undefined.as_str())));
    told.collect::<Vec<_>>().join("; ")
}

/// The process's work: the program as a JSON text on the first line of `input`, then a record per line.
///
/// # Errors
/// Whoever started it has gone.
pub(crate) fn serve(input: impl BufRead, out: impl Write) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        setrlimit(Resource::As, Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) })?;
        // A program that comes to a bad end leaves nothing behind.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    }
    answer(input, out)
}

fn answer(mut input: impl BufRead, mut out: impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    let code: String = serde_json::from_slice(&line)?;
    let program = match Program::compile(&code) {
        Ok(program) => program,
        Err(what) => return writeln!(out, "refused {}", json::quote(&what)).and_then(|()| out.flush()),
    };
    out.write_all(b"ready\n").and_then(|()| out.flush())?;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match program.run(&line) {
            Ok(records) => {
                for record in records {
                    out.write_all(b"out ")?;
                    out.write_all(&record)?;
                    out.write_all(b"\n")?;
                }
            }
            Err(what) => writeln!(out, "failed {}", json::quote(&what))?,
        }
        out.write_all(b"done\n").and_then(|()| out.flush())?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(code: &str, record: &str) -> Result<Vec<String>, String> {
        let records = Program::compile(code)?.run(record.as_bytes())?;
        Ok(records.into_iter().map(|record| String::from_utf8(record).unwrap()).collect())
    }

    #[test]
    fn numbers_that_are_passed_on_keep_their_digits() {
        let record = r#"{"id":12345678901234567890123,"price":25.00,"big":1e400,"list":[1.50],"text":"10.10"}"#;
        assert_eq!(run(".", record).unwrap(), [record]);
        let moved = run("{key: .id, cost: .price, n: (.text|tonumber), deep: {x: .list[0]}}", record).unwrap();
        assert_eq!(moved, [r#"{"key":12345678901234567890123,"cost":25.00,"n":10.10,"deep":{"x":1.50}}"#]);
        assert_eq!(run("{a: 0.10}", "{}").unwrap(), [r#"{"a":0.10}"#], "literals of the program, too");
    }

    #[test]
    fn a_record_becomes_any_number_of_records() {
        assert_eq!(run("empty", "{}").unwrap(), [""; 0]);
        assert_eq!(run(".a[] | {x: .}", r#"{"a":[1,2]}"#).unwrap(), [r#"{"x":1}"#, r#"{"x":2}"#]);
        assert!(run("range(10001) | {x: .}", "{}").unwrap_err().contains("10000 records"));
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_kind() {
        for (code, word) in
            [("1", "a number"), ("null", "null"), ("[.]", "an array"), ("\"a\"", "a text"), ("true", "truth")]
        {
            assert!(run(code, "{}").unwrap_err().contains(word), "{code}");
        }
        assert!(run("{a: infinite}", "{}").unwrap_err().contains("JSON cannot hold"));
        assert!(run("error(\"no price\")", "{}").unwrap_err().contains("no price"));
        assert!(run(".a.b", "{\"a\":1}").unwrap_err().contains("cannot index"));
    }

    #[test]
    fn a_program_that_cannot_be_read_is_told_with_its_place() {
        let told = |code: &str| Program::compile(code).map(|_| ()).unwrap_err();
        assert!(told("{a: .b\n").contains("line 2"), "{}", told("{a: .b\n"));
        assert!(told(".a |\n  nonsense(.b)").contains("line 2, column 3"), "{}", told(".a |\n  nonsense(.b)"));
        assert!(told("import \"x\" as x; .").contains("no other files"), "{}", told("import \"x\" as x; ."));
    }

    #[test]
    fn records_go_in_and_lines_come_out() {
        let input = "\"if .id == 2 then error(\\\"two\\\") else . end\"\n{\"id\":1}\n{\"id\":2}\n";
        let mut out = Vec::new();
        answer(input.as_bytes(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "ready\nout {\"id\":1}\ndone\nfailed \"two\"\ndone\n");
    }
}
