//! WASI for connectors in languages that bring it along: sealed. There are no arguments, no environment, no input, no files and no
//! sockets; what is written to the two outputs goes line by line into the log; asking for the end of the process ends the call.
//! Clocks and randomness are real: both are harmless, and languages need them.
//!
//! An instance that imports none of it has none of it: what is here is made when it is first called.

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::Linker;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random, sockets};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::logging::{Log, Output};
use crate::state::State;

/// What is sealed: names, and versions up to the part that must agree.
pub(crate) const SEALED: [&str; 23] = [
    "wasi:cli/environment@0.2",
    "wasi:cli/exit@0.2",
    "wasi:cli/stderr@0.2",
    "wasi:cli/stdin@0.2",
    "wasi:cli/stdout@0.2",
    "wasi:cli/terminal-input@0.2",
    "wasi:cli/terminal-output@0.2",
    "wasi:cli/terminal-stderr@0.2",
    "wasi:cli/terminal-stdin@0.2",
    "wasi:cli/terminal-stdout@0.2",
    "wasi:clocks/wall-clock@0.2",
    "wasi:filesystem/preopens@0.2",
    "wasi:filesystem/types@0.2",
    "wasi:random/insecure@0.2",
    "wasi:random/insecure-seed@0.2",
    "wasi:random/random@0.2",
    "wasi:sockets/instance-network@0.2",
    "wasi:sockets/ip-name-lookup@0.2",
    "wasi:sockets/network@0.2",
    "wasi:sockets/tcp@0.2",
    "wasi:sockets/tcp-create-socket@0.2",
    "wasi:sockets/udp@0.2",
    "wasi:sockets/udp-create-socket@0.2",
];

/// Random bytes that an instance may ask for at once.
const MOST_RANDOM: u64 = 64 << 10;
/// Bytes that an instance may write to an output at once.
const MOST_OUTPUT: usize = 64 << 10;

/// Everything of [`SEALED`].
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(linker, WasiClocksView::clocks)?;
    random::random::add_to_linker::<State, WasiRandom>(linker, WasiRandomView::random)?;
    random::insecure::add_to_linker::<State, WasiRandom>(linker, WasiRandomView::random)?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(linker, WasiRandomView::random)?;
    cli::environment::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::exit::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(linker, WasiFilesystemView::filesystem)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(linker, WasiFilesystemView::filesystem)?;
    let network = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<State, WasiSockets>(linker, &network, WasiSocketsView::sockets)?;
    sockets::instance_network::add_to_linker::<State, WasiSockets>(linker, WasiSocketsView::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<State, WasiSockets>(linker, WasiSocketsView::sockets)?;
    sockets::tcp::add_to_linker::<State, WasiSockets>(linker, WasiSocketsView::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<State, WasiSockets>(linker, WasiSocketsView::sockets)?;
    sockets::udp::add_to_linker::<State, WasiSockets>(linker, WasiSocketsView::sockets)?;
    sockets::udp_create_socket::add_to_linker::<State, WasiSockets>(linker, WasiSocketsView::sockets)
}

/// A world with nothing in it.
pub(crate) fn context(log: &Log) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .stdout(Lines { log: log.clone(), output: Output::Standard })
        .stderr(Lines { log: log.clone(), output: Output::Error })
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MOST_RANDOM);
    builder.build()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.sealed()
    }
}

/// One of the two outputs of a program.
#[derive(Clone)]
struct Lines {
    log: Log,
    output: Output,
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// For WASI 0.3, which this host does not link.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.print(self.output, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MOST_OUTPUT)
    }
}

#[wasmtime_wasi_io::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}
