//! Variants of the built component: another name, another version, a flaw in one export. Tests make as many as they need from
//! the one file, without a compiler: what a variant is stands in a table of fixed width in the component's data, which its exports
//! read when they run.

/// Where the table begins. Stands once in the component.
const MARK: &[u8] = b"fixed/variant/1:";
/// Bytes of a field; shorter values end in spaces.
const WIDTH: usize = 32;
/// Bytes of the table: the mark, then name, version and flaw.
const SIZE: usize = MARK.len() + 3 * WIDTH;

/// The table of the component as it is built: no flaw.
#[cfg(target_arch = "wasm32")]
static TABLE: [u8; SIZE] = table("fixed", env!("CARGO_PKG_VERSION"), "");

#[cfg(target_arch = "wasm32")]
const fn table(name: &str, version: &str, flaw: &str) -> [u8; SIZE] {
    let mut table = [b' '; SIZE];
    let fields = [(0, MARK), (MARK.len(), name.as_bytes()), (MARK.len() + WIDTH, version.as_bytes())];
    let fields = [fields[0], fields[1], fields[2], (MARK.len() + 2 * WIDTH, flaw.as_bytes())];
    let mut field = 0;
    while field < fields.len() {
        let (start, bytes) = fields[field];
        let mut at = 0;
        while at < bytes.len() {
            table[start + at] = bytes[at];
            at += 1;
        }
        field += 1;
    }
    table
}

/// A field of the table, as it is in the file that runs.
#[cfg(target_arch = "wasm32")]
fn field(number: usize) -> &'static str {
    // Read as if anybody could have changed it since the compiler saw it, because somebody may have.
    let table: &'static [u8; SIZE] = std::hint::black_box(&TABLE);
    let start = MARK.len() + number * WIDTH;
    table.get(start..start + WIDTH).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default().trim_end()
}

/// What this component calls itself.
#[cfg(target_arch = "wasm32")]
pub(crate) fn name() -> &'static str {
    field(0)
}

/// The version that this component says it is.
#[cfg(target_arch = "wasm32")]
pub(crate) fn version() -> &'static str {
    field(1)
}

/// What goes wrong in this export, if anything.
#[cfg(target_arch = "wasm32")]
pub(crate) fn flaw(export: &str) -> Option<Way> {
    let (way, flawed) = field(2).split_once(':')?;
    Way::ALL.into_iter().find(|known| flawed == export && known.word() == way)
}

/// How an export goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It answers a failure. `describe` cannot.
    Fail,
    /// It crashes.
    Trap,
    /// It computes for ever.
    Hang,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fail, Self::Trap, Self::Hang];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Trap => "trap",
            Self::Hang => "hang",
        }
    }
}

/// A variant of the component.
#[derive(Clone, Copy, Debug)]
pub struct Variant<'a> {
    /// What it calls itself.
    pub name: &'a str,
    /// The version that it says it is.
    pub version: &'a str,
    /// What goes wrong, and in which export (`describe`, `configure`, `test`, `query`, `create`, ...).
    pub flaw: Option<(Way, &'a str)>,
}

impl<'a> Variant<'a> {
    /// The component as it should be, in this version.
    pub fn version(version: &'a str) -> Self {
        Self { name: "fixed", version, flaw: None }
    }

    /// The same with a flaw.
    pub fn with(self, way: Way, export: &'a str) -> Self {
        Self { flaw: Some((way, export)), ..self }
    }

    /// The component `fixed.wasm` turned into this variant.
    ///
    /// # Errors
    /// A message, if this is not that component or a value is too long.
    pub fn of(&self, fixed: &[u8]) -> Result<Vec<u8>, String> {
        let marks: Vec<usize> =
            fixed.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).map(|(at, _)| at).collect();
        let [mark] = marks.as_slice() else {
            return Err(format!("this component has {} tables of variants, not one", marks.len()));
        };
        let flaw = self.flaw.map(|(way, export)| format!("{}:{export}", way.word())).unwrap_or_default();
        let mut wasm = fixed.to_vec();
        let table = wasm.get_mut(mark + MARK.len()..mark + SIZE).ok_or("the table of variants is cut off")?;
        for (field, value) in table.chunks_exact_mut(WIDTH).zip([self.name, self.version, &flaw]) {
            let (value_bytes, rest) =
                field.split_at_mut_checked(value.len()).ok_or(format!("`{value}` is too long"))?;
            value_bytes.copy_from_slice(value.as_bytes());
            rest.fill(b' ');
        }
        Ok(wasm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_differs_in_its_table_alone() {
        let file = [b"before".as_slice(), MARK, &[b' '; 3 * WIDTH], b"after"].concat();
        let made = Variant::version("1.2.3").with(Way::Trap, "describe").of(&file).unwrap();
        assert_eq!(made.len(), file.len());
        assert!(made.starts_with(b"before") && made.ends_with(b"after"));
        let text = String::from_utf8(made).unwrap();
        assert_eq!(
            text.split_ascii_whitespace().collect::<Vec<_>>(),
            ["beforefixed/variant/1:fixed", "1.2.3", "trap:describe", "after"]
        );
        assert!(Variant::version("1.2.3").of(b"another file").is_err());
        assert!(Variant::version(&"1".repeat(WIDTH + 1)).of(&file).is_err());
    }
}
