//! The shape of a failure as programs are told it, for the description of the API. It stands apart from `error.rs`, which is also
//! compiled where nothing is described.

use utoipa::ToSchema;

/// A failure as an object for programs. Its kind may bring members besides.
#[derive(ToSchema)]
#[schema(as = Error)]
#[expect(dead_code, reason = "describes what is put together from maps")]
pub(crate) struct Told {
    message: String,
    #[schema(nullable = false)]
    kind: Option<String>,
    #[schema(nullable = false)]
    causes: Option<Vec<String>>,
    #[schema(nullable = false)]
    notes: Option<Vec<String>>,
    #[schema(nullable = false)]
    hint: Option<String>,
    /// JSON pointer to what is wrong.
    #[schema(nullable = false)]
    pointer: Option<String>,
}
