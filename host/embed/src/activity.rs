//! An activity: one instance of a connector, owned by one task that takes calls as messages.

use crate::contract::{
    Identity, ObjectInfo, ObjectSchema, Outcome, Page, Plan, QueryRequest, WriteRequest, WrittenBy,
};
use crate::error::CallError;

/// One instance at work for one connection. It serves one call at a time (hence `&mut self`); make more activities to work side
/// by side. Dropping it, or the future of a call, ends a call under way at once: use [`Activity::canceller`] for an orderly end.
///
/// After [`CallError::Ended`] the activity is over and every further call says so.
pub struct Activity {}

impl Activity {
    /// See [`crate::Connection::test`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn test(&mut self) -> Result<Identity, CallError> {
        todo!()
    }

    /// See [`crate::Connection::list_objects`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list_objects(&mut self) -> Result<Vec<ObjectInfo>, CallError> {
        todo!()
    }

    /// See [`crate::Connection::describe_object`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn describe_object(&mut self, name: &str) -> Result<ObjectSchema, CallError> {
        let _ = name;
        todo!()
    }

    /// One page of a query; for the next, pass [`Page::next`] as [`QueryRequest::cursor`], to this or any other activity.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn query(&mut self, request: &QueryRequest) -> Result<Page, CallError> {
        let _ = request;
        todo!()
    }

    /// See [`crate::Connection::explain`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn explain(&mut self, request: &QueryRequest) -> Result<Plan, CallError> {
        let _ = request;
        todo!()
    }

    /// Creates records: one outcome per record, in order. Pass moderate batches and note them before the call, because
    /// [`CallError::Ended`] makes **every** record of the call unknown; [`CallError::Connector`] means that nothing was sent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let _ = request;
        todo!()
    }

    /// Updates records; outcomes and errors as for [`Activity::create`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn update(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let _ = request;
        todo!()
    }

    /// Deletes the records that are named; outcomes and errors as for [`Activity::create`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let _ = request;
        todo!()
    }

    /// Looks up what became of records whose outcome is unknown. Changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn resolve(&mut self, written_by: WrittenBy, request: &WriteRequest) -> Result<Vec<Outcome>, CallError> {
        let _ = (written_by, request);
        todo!()
    }

    /// A handle that ends this activity from elsewhere.
    pub fn canceller(&self) -> Canceller {
        todo!()
    }
}

/// Ends an activity in an orderly way: the connector sends nothing more, waits briefly for writes under way and returns what it
/// has. After [`crate::Limits::cancel_grace`] the call is ended hard. The activity takes no calls afterwards.
#[derive(Clone)]
pub struct Canceller {}

impl Canceller {
    /// Asks for the end; returns at once. A second time does nothing.
    pub fn cancel(&self) {
        todo!()
    }
}
