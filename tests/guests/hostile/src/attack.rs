//! The attacks that need no network: what a function does instead of its work.

use std::hint::black_box;

/// What `describe` does: an attack's name, filled up with dots. Tests write another one over it.
pub static IN_DESCRIBE: [u8; 32] = *b"describe does: nothing..........";

/// The attack that `describe` makes.
#[must_use]
pub fn in_describe() -> String {
    let text = String::from_utf8_lossy(black_box(&IN_DESCRIBE)).into_owned();
    text.trim_start_matches("describe does: ").trim_end_matches('.').to_owned()
}

/// Makes an attack that does not come back, if `how` names one.
pub fn without_return(how: &str) {
    match how {
        "loop" => loop {
            black_box(0);
        },
        "memory" => {
            let mut taken: Vec<Vec<u8>> = Vec::new();
            loop {
                taken.push(vec![1; 1 << 20]);
                black_box(&taken);
            }
        }
        "stack" => {
            black_box(deep(black_box(u64::MAX)));
        }
        "trap" => std::process::abort(),
        _ => {}
    }
}

/// Calls itself: what comes back is changed in a way that no loop can stand for.
#[inline(never)]
fn deep(n: u64) -> u64 {
    if n == 0 { 1 } else { deep(n - 1).wrapping_mul(n) ^ n }
}

/// Records that are none, by the name of what is wrong with them; and how many they are said to be.
#[must_use]
pub fn records(how: &str) -> Option<(Vec<u8>, u32)> {
    let line = b"{\"id\":1}\n";
    Some(match how {
        "no-json" => (b"{\"id\":1}\nnot JSON at all\n".to_vec(), 2),
        "no-object" => (b"[1,2]\n".to_vec(), 1),
        "broken-line" => (b"{\"id\":\n1}\n".to_vec(), 1),
        "unclosed" => (b"{\"id\":1}".to_vec(), 1),
        "no-utf8" => (b"{\"id\":\"\xff\"}\n".to_vec(), 1),
        "count" => (line.repeat(3), 1000),
        "huge-page" => {
            let count = 1 << 20;
            (line.repeat(count), u32::try_from(count).unwrap_or(u32::MAX))
        }
        _ => return None,
    })
}

/// The cursor after this one.
#[must_use]
pub fn cursor(how: &str, from: Option<&str>) -> Option<String> {
    let number = from.and_then(|cursor| cursor.parse::<u64>().ok()).unwrap_or(0);
    match how {
        "same-cursor" => Some("1".to_owned()),
        "round-of-cursors" => Some(((number + 1) % 7).to_string()),
        "new-cursors" => Some((number + 1).to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describe_does_what_stands_in_the_component() {
        assert_eq!(in_describe(), "nothing");
    }

    #[test]
    fn what_is_no_attack_comes_back() {
        without_return("nothing");
        assert_eq!(records("nothing"), None);
        assert_eq!(cursor("nothing", None), None);
    }
}
