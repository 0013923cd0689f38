//! The record slicer alone: natively, and in WebAssembly with and without simd128, compiled and run as the host does it.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use slice_guest::Work;
use wasmtime::{Config, Engine, Linker, Module, Store, TypedFunc};

use crate::figures::Samples;

/// Times all three, in turns: the module with simd128, the one without, and native code. The first turn warms up.
pub(crate) fn slice(simd: &Path, plain: &Path, rounds: usize) -> Result<Vec<Samples>> {
    let (mut simd, mut plain) = (Guest::new(simd)?, Guest::new(plain)?);
    let mut work = Work::new();
    ensure!(simd.bytes()? == work.bytes() && plain.bytes()? == work.bytes(), "the modules slice something else");
    let (mut with, mut without, mut native) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        work.copy();
        let started = Instant::now();
        let records = work.slice();
        let took = started.elapsed().as_secs_f64() * 1e3;
        ensure!(records == Work::RECORDS, "{records} records were sliced natively");
        let turn = [(&mut native, took), (&mut with, simd.slice()?), (&mut without, plain.slice()?)];
        for (times, took) in turn {
            if round > 0 {
                times.push(took);
            }
        }
    }
    Ok(vec![
        Samples::new("slice-native", "ms", native),
        Samples::new("slice-simd", "ms", with),
        Samples::new("slice-plain", "ms", without),
    ])
}

/// An instance of one of the modules.
struct Guest {
    store: Store<()>,
    bytes: TypedFunc<(), u64>,
    copy: TypedFunc<(), ()>,
    slice: TypedFunc<(), u64>,
}

impl Guest {
    fn new(module: &Path) -> Result<Self> {
        let mut config = Config::new();
        // As the host has it: loops look at the epoch.
        config.epoch_interruption(true);
        let engine = Engine::new(&config)?;
        let module = Module::from_file(&engine, module)?;
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let mut linker = Linker::new(&engine);
        // What the connector's crate imports beside the slicer is never called.
        linker.define_unknown_imports_as_traps(&module)?;
        let instance = linker.instantiate(&mut store, &module)?;
        Ok(Self {
            bytes: instance.get_typed_func(&mut store, "bytes")?,
            copy: instance.get_typed_func(&mut store, "copy")?,
            slice: instance.get_typed_func(&mut store, "slice")?,
            store,
        })
    }

    fn bytes(&mut self) -> Result<u64> {
        Ok(self.bytes.call(&mut self.store, ())?)
    }

    /// Milliseconds that slicing took; the copy is made before.
    fn slice(&mut self) -> Result<f64> {
        self.copy.call(&mut self.store, ())?;
        let started = Instant::now();
        let records = self.slice.call(&mut self.store, ())?;
        let took = started.elapsed().as_secs_f64() * 1e3;
        ensure!(records == Work::RECORDS, "{records} records were sliced in WebAssembly");
        Ok(took)
    }
}
