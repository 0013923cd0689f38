//! World 0.1: its bindings, generated from `wit/`, and how an instance of it is linked, made and called.
//!
//! The world here is the contract's without `wasi:http` and `wasi:clocks`: those are bound by the runtime's own crates, at a later
//! 0.2 than the contract names, which serves the same components.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use super::worlds::{Answer, Call, Exports, Prepared};
use crate::state::State;

#[allow(missing_docs, unreachable_pub, clippy::all)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package ipaas:embed;
            world served {
                import ipaas:connector/variables@0.1.0;
                import ipaas:connector/transport@0.1.0;
                import ipaas:connector/quota@0.1.0;
                import ipaas:connector/control@0.1.0;
                import ipaas:connector/logging@0.1.0;
                export ipaas:connector/metadata@0.1.0;
                export ipaas:connector/connection@0.1.0;
            }
        ",
        world: "ipaas:embed/served",
        imports: { default: trappable },
        exports: { default: async },
        require_store_data_send: true,
        additional_derives: [PartialEq],
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "ipaas:connector/quota.permit": crate::quota::Permit,
        },
    });
}

pub use bindings::exports::ipaas::connector::connection::{
    Activities, ActivitySchema, Comparison, Comparisons, Condition, Consistency, Field, Identity, ObjectInfo,
    ObjectSchema, Order, Outcome, Page, Plan, QueryRequest, WriteMode, WriteRequest, WrittenBy,
};
pub use bindings::exports::ipaas::connector::metadata::Info;
pub use bindings::ipaas::connector::types::{Error, ErrorKind, Retry};
pub(crate) use bindings::ipaas::connector::{control, logging, quota, transport, variables};
use bindings::{Served, ServedPre};

/// Links what a component of this world may import.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    variables::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    transport::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    quota::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    control::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    logging::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// Finds the exports of a component of this world.
pub(super) fn prepare(pre: InstancePre<State>) -> wasmtime::Result<Arc<dyn Prepared>> {
    Ok(Arc::new(ServedPre::new(pre)?))
}

impl Prepared for ServedPre<State> {
    fn instantiate<'a>(&'a self, store: &'a mut Store<State>) -> Call<'a, Box<dyn Exports>> {
        Box::pin(async move { Ok(Box::new(self.instantiate_async(store).await?) as Box<dyn Exports>) })
    }
}

impl Exports for Served {
    fn describe<'a>(&'a self, store: &'a mut Store<State>) -> Call<'a, Info> {
        Box::pin(self.ipaas_connector_metadata().call_describe(store))
    }

    fn configure<'a>(&'a self, store: &'a mut Store<State>, settings: String) -> Call<'a, Result<(), Vec<Error>>> {
        Box::pin(async move { self.ipaas_connector_connection().call_configure(store, &settings).await })
    }

    fn test<'a>(&'a self, store: &'a mut Store<State>) -> Answer<'a, Identity> {
        Box::pin(self.ipaas_connector_connection().call_test(store))
    }

    fn list_objects<'a>(&'a self, store: &'a mut Store<State>) -> Answer<'a, Vec<ObjectInfo>> {
        Box::pin(self.ipaas_connector_connection().call_list_objects(store))
    }

    fn describe_object<'a>(&'a self, store: &'a mut Store<State>, name: String) -> Answer<'a, ObjectSchema> {
        Box::pin(async move { self.ipaas_connector_connection().call_describe_object(store, &name).await })
    }

    fn query<'a>(&'a self, store: &'a mut Store<State>, request: QueryRequest) -> Answer<'a, Page> {
        Box::pin(async move { self.ipaas_connector_connection().call_query(store, &request).await })
    }

    fn explain<'a>(&'a self, store: &'a mut Store<State>, request: QueryRequest) -> Answer<'a, Plan> {
        Box::pin(async move { self.ipaas_connector_connection().call_explain(store, &request).await })
    }

    fn create<'a>(&'a self, store: &'a mut Store<State>, request: WriteRequest) -> Answer<'a, Vec<Outcome>> {
        Box::pin(async move { self.ipaas_connector_connection().call_create(store, &request).await })
    }

    fn update<'a>(&'a self, store: &'a mut Store<State>, request: WriteRequest) -> Answer<'a, Vec<Outcome>> {
        Box::pin(async move { self.ipaas_connector_connection().call_update(store, &request).await })
    }

    fn delete<'a>(&'a self, store: &'a mut Store<State>, request: WriteRequest) -> Answer<'a, Vec<Outcome>> {
        Box::pin(async move { self.ipaas_connector_connection().call_delete(store, &request).await })
    }

    fn resolve<'a>(
        &'a self,
        store: &'a mut Store<State>,
        written_by: WrittenBy,
        request: WriteRequest,
    ) -> Answer<'a, Vec<Outcome>> {
        Box::pin(async move { self.ipaas_connector_connection().call_resolve(store, written_by, &request).await })
    }
}
