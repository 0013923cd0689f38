//! Seeded random numbers and random JSON documents, with every liberty that the grammar takes.

/// Where a test's seeds start. Each case adds its number.
pub(crate) fn seed() -> u64 {
    std::env::var("CONNECTOR_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_101)
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// A JSON value as tokens.
pub(crate) enum Tree {
    Scalar(String),
    Array(Vec<Tree>),
    /// Names are raw, with their quotes.
    Object(Vec<(String, Tree)>),
}

const PIECES: &[&str] = &[
    "a",
    "plain words ",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\\\"",
    "\\\\",
    "\\\\\\\"",
    "\\n",
    "\\u00e9",
    "\\ud83d\\ude00",
    "é",
    "日本",
    "😀",
    "<p class=\\\"x\\\">",
    "y_Y\u{7f}",
    "\\/",
    "                 ",
    "long long long long long long long long long long long text ",
];
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "7",
    "25.00",
    "12345678901234567890",
    "1e400",
    "-1.50E-7",
    "0.10",
    "3.14159265358979323846264338327950288",
];

pub(crate) fn string(random: &mut Random) -> String {
    let mut text = String::from("\"");
    for _ in 0..random.below(6) {
        text.push_str(random.pick(PIECES));
    }
    text.push('"');
    text
}

pub(crate) fn tree(random: &mut Random, depth: usize) -> Tree {
    match random.below(if depth == 0 { 6 } else { 10 }) {
        0 | 1 => Tree::Scalar(string(random)),
        2 | 3 => Tree::Scalar(random.pick(NUMBERS).to_owned()),
        4 => Tree::Scalar(random.pick(&["true", "false"]).to_owned()),
        5 => Tree::Scalar("null".to_owned()),
        6 | 7 => Tree::Array((0..random.below(4)).map(|_| tree(random, depth - 1)).collect()),
        _ => object(random, depth),
    }
}

/// An object whose names differ: each begins with its position.
pub(crate) fn object(random: &mut Random, depth: usize) -> Tree {
    let members = 0..random.below(6);
    Tree::Object(
        members
            .map(|index| (format!("\"{index}{}", &string(random)[1..]), tree(random, depth.saturating_sub(1))))
            .collect(),
    )
}

/// How a document is laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Layout {
    Compact,
    /// Line breaks and two spaces per level.
    Pretty,
    /// Any white space between any two tokens.
    Wild,
}

pub(crate) fn write(tree: &Tree, layout: Layout, random: &mut Random, level: usize, out: &mut String) {
    let (open, close, count) = match tree {
        Tree::Scalar(raw) => return out.push_str(raw),
        Tree::Array(elements) => ('[', ']', elements.len()),
        Tree::Object(members) => ('{', '}', members.len()),
    };
    out.push(open);
    for index in 0..count {
        if index > 0 {
            out.push(',');
        }
        space(layout, random, level + 1, out);
        match tree {
            Tree::Scalar(_) => {}
            Tree::Array(elements) => write(&elements[index], layout, random, level + 1, out),
            Tree::Object(members) => {
                out.push_str(&members[index].0);
                if layout == Layout::Wild {
                    space(layout, random, level, out);
                }
                out.push(':');
                if layout == Layout::Pretty {
                    out.push(' ');
                } else {
                    space(layout, random, level, out);
                }
                write(&members[index].1, layout, random, level + 1, out);
            }
        }
        if layout == Layout::Wild || index + 1 == count {
            space(layout, random, level, out);
        }
    }
    out.push(close);
}

pub(crate) fn space(layout: Layout, random: &mut Random, level: usize, out: &mut String) {
    match layout {
        Layout::Compact => {}
        Layout::Pretty => {
            out.push('\n');
            out.push_str(&"  ".repeat(level));
        }
        Layout::Wild => {
            for _ in 0..random.below(4) {
                out.push_str(random.pick(&[" ", "\n", "\t", "\r\n", "   ", "\r"]));
            }
        }
    }
}

/// Removes line breaks between tokens with all white space around them, one byte after the other.
pub(crate) fn unbreak(json: &str) -> String {
    let mut out = String::new();
    let mut pending = String::new();
    let (mut inside, mut escaped) = (false, false);
    for letter in json.chars() {
        if !inside && " \t\r\n".contains(letter) {
            pending.push(letter);
            continue;
        }
        if !pending.contains(['\n', '\r']) {
            out.push_str(&pending);
        }
        pending.clear();
        out.push(letter);
        if letter == '"' && !escaped {
            inside = !inside;
        }
        escaped = inside && letter == '\\' && !escaped;
    }
    out
}
