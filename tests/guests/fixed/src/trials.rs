//! The object `trials`: what a query or a write with this `how` does instead of answering. Hosts are tested with it.

/// A way to go wrong, or to take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `wait`: until the host cancels the call; then answers `cancelled`.
    Wait,
    /// `deaf`: for an hour, whatever the host wants.
    Deaf,
    /// `trap`: crashes.
    Trap,
    /// `loop`: computes for ever.
    Loop,
    /// `memory`: takes memory until there is none.
    Memory,
    /// `log`: writes 5000 log lines that hold the token, and answers a failure that holds it too.
    Log,
    /// `variable`: asks for the variable [`UNMENTIONED`], whose name is in no setting; answers a failure that holds what came.
    Variable,
    /// `skip`: waits until the host cancels the call; a write then answers that every record was skipped.
    Skip,
    /// `few`: a write answers one outcome too few.
    Few,
    /// `many`: a write answers one outcome too many.
    Many,
}

/// The variable that [`How::Variable`] asks for.
pub const UNMENTIONED: &str = "unmentioned";

impl How {
    /// All of them with their names.
    pub const ALL: [(&'static str, Self); 10] = [
        ("wait", Self::Wait),
        ("deaf", Self::Deaf),
        ("trap", Self::Trap),
        ("loop", Self::Loop),
        ("memory", Self::Memory),
        ("log", Self::Log),
        ("variable", Self::Variable),
        ("skip", Self::Skip),
        ("few", Self::Few),
        ("many", Self::Many),
    ];

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, how)| *how)
    }
}
