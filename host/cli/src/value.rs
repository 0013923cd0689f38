//! A value that comes another way than on the command line, which others can see: typed at the terminal, piped in, or in a file.

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::Path;

use connector_host::Secret;

use crate::error::{Failure, Result};
use crate::terminal;

/// Bytes that a value may have.
const LONGEST: u64 = 1 << 20;

/// The value of `name`, from whoever sits at the terminal (not shown, if it is hidden), or else from stdin.
pub(crate) fn from_stdin(name: &str, hidden: bool) -> Result<Secret> {
    let unread = |error: &std::io::Error| Failure::new("cannot read the value").causes_of(error);
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let value = whole(stdin.lock()).map_err(|error| unread(&error))?;
        return value
            .map_err(|what| Failure::new(format!("{what} on stdin")).hint("pipe it in, like `… < FILE`").into());
    }
    if hidden {
        let value = rpassword::prompt_password(format!("Value of `{name}` (not shown): "));
        return Ok(Secret::new(value.map_err(|error| unread(&error))?));
    }
    terminal::tell(&format!("Value of `{name}`: "));
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(|error| unread(&error))?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

/// The value that a file holds.
pub(crate) fn from_file(path: &Path) -> Result<Secret> {
    let value = File::open(path).and_then(whole);
    let value = value
        .map_err(|error| Failure::new(format!("cannot read the value in `{}`", path.display())).causes_of(&error))?;
    value.map_err(|what| Failure::new(format!("{what} in `{}`", path.display())).into())
}

/// Everything, without the line end behind it; or what is wrong with it.
fn whole(from: impl Read) -> std::io::Result<std::result::Result<Secret, &'static str>> {
    let mut text = String::new();
    from.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.is_empty() {
        return Ok(Err("there is no value"));
    }
    if text.len() as u64 > LONGEST {
        return Ok(Err("there is a value of more than 1 MiB"));
    }
    let value = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).unwrap_or(&text);
    Ok(Ok(Secret::new(value)))
}
