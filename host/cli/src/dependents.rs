//! What is lost or stops working with a connection.

use connector_store::{Dependent, Saved};

use crate::error::Result;
use crate::operation::files;
use crate::operation::model::End;
use crate::project::failed;
use crate::session::Session;

/// What an operation is called among dependents. Its file stays when the connection goes.
pub(crate) const OPERATION: &str = "operation";

/// Activities and variables of the connection's own, and the operations that read from it or write to it. An operation whose file
/// cannot be read is not counted: it does not work as it is.
///
/// # Errors
/// The store or the folder of operations cannot be read.
pub(crate) fn of(session: &Session, saved: &Saved) -> Result<Vec<Dependent>> {
    let mut all = match session.project.store()? {
        Some(store) => store.dependents(saved).map_err(|error| failed(&error))?,
        None => Vec::new(),
    };
    for name in files::names(&session.project)? {
        let Ok(operation) = files::load(&session.project, &name).and_then(|file| file.operation()) else { continue };
        if [&operation.source, &operation.target].into_iter().any(|end| is_of(end, saved)) {
            all.push(Dependent { kind: OPERATION, name });
        }
    }
    Ok(all)
}

fn is_of(end: &End, saved: &Saved) -> bool {
    let named = match end {
        End::Kept { connection, .. } => connection,
        End::Inline(activity) => &activity.connection,
        End::File { .. } => return false,
    };
    *named == saved.name || *named == saved.full_name()
}
