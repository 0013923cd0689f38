//! Loaded into a program with `LD_PRELOAD`, it stands in for those functions of the C library that change files, counts their
//! calls and ends the program, as `kill -9` does, at a chosen one. The driver says where, in the environment:
//!
//! - `CRASH_POINTS_AT`: the call at which to end, counted from 1, before it does anything;
//! - `CRASH_POINTS_TORN`: if set, and that call is a write, half of it is written first;
//! - `CRASH_POINTS_UNDER`: only calls that change something below this folder count.
//!
//! Calls that go past the C library are not seen (`rustix` without libc, `io_uring`), nor is what is written to mapped memory.
#![allow(unsafe_code, reason = "it defines functions of the C library")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::mem::transmute;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::{mode_t, off_t, off64_t, size_t, ssize_t};

/// What the driver asks for.
struct Plan {
    at: u64,
    torn: bool,
    under: PathBuf,
}

static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
static CALLS: AtomicU64 = AtomicU64::new(0);

fn plan() -> Option<&'static Plan> {
    let read = || {
        let at = std::env::var("CRASH_POINTS_AT").ok()?.parse().ok()?;
        let under = PathBuf::from(std::env::var_os("CRASH_POINTS_UNDER")?);
        Some(Plan { at, torn: std::env::var_os("CRASH_POINTS_TORN").is_some(), under })
    };
    PLAN.get_or_init(read).as_ref()
}

/// Where an open file is.
fn path_of(file: c_int) -> PathBuf {
    std::fs::read_link(format!("/proc/self/fd/{file}")).unwrap_or_default()
}

/// Where a path leads that is relative to an open folder.
///
/// # Safety
/// `path` is a text of C, as the caller of the function that is stood in for has promised.
unsafe fn path_at(folder: c_int, path: *const c_char) -> PathBuf {
    // SAFETY: as above.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    let folder = if folder == libc::AT_FDCWD { std::env::current_dir().unwrap_or_default() } else { path_of(folder) };
    folder.join(path)
}

/// Counts a call; says whether it is the one at which to end.
fn is_the_end(path: &Path) -> bool {
    plan().is_some_and(|plan| path.starts_with(&plan.under) && CALLS.fetch_add(1, Ordering::SeqCst) + 1 == plan.at)
}

/// Tells the driver which call it was, and ends the program without letting it do anything more.
fn end(call: &str) -> ! {
    let text = format!("crash point: {call}\n");
    // SAFETY: the text outlives the call; a signal that cannot be caught needs no more than this.
    unsafe {
        libc::syscall(libc::SYS_write, 2, text.as_ptr(), text.len());
        libc::kill(libc::getpid(), libc::SIGKILL);
    }
    loop {
        std::thread::park();
    }
}

/// The C library's own function of this name.
///
/// # Safety
/// The name ends with a zero.
unsafe fn next(name: &str) -> *mut c_void {
    // SAFETY: as above.
    let function = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr().cast()) };
    if function.is_null() {
        std::process::abort();
    }
    function
}

/// Defines functions that end the program at the chosen call and pass all others on.
macro_rules! changes {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty, on $place:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $kind),*) -> $result {
            // SAFETY: the C library's function of this name has these arguments, and the caller keeps its promises to it.
            unsafe {
                if is_the_end(&$place) {
                    end(stringify!($name));
                }
                let next: unsafe extern "C" fn($($kind),*) -> $result = transmute(next(concat!(stringify!($name), "\0")));
                next($($argument),*)
            }
        }
    )*};
}

/// Defines functions that write: they may end the program in the middle.
macro_rules! writes {
    ($(fn $name:ident($($offset:ident: $kind:ty)?);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(file: c_int, bytes: *const c_void, length: size_t $(, $offset: $kind)?) -> ssize_t {
            // SAFETY: as above; half of the bytes are a part of them.
            unsafe {
                let next: unsafe extern "C" fn(c_int, *const c_void, size_t $(, $kind)?) -> ssize_t =
                    transmute(next(concat!(stringify!($name), "\0")));
                if is_the_end(&path_of(file)) {
                    if plan().is_some_and(|plan| plan.torn) {
                        next(file, bytes, length / 2 $(, $offset)?);
                    }
                    end(stringify!($name));
                }
                next(file, bytes, length $(, $offset)?)
            }
        }
    )*};
}

writes! {
    fn write();
    fn pwrite(offset: off_t);
    fn pwrite64(offset: off64_t);
}

changes! {
    fn fsync(file: c_int) -> c_int, on path_of(file);
    fn fdatasync(file: c_int) -> c_int, on path_of(file);
    fn ftruncate(file: c_int, length: off_t) -> c_int, on path_of(file);
    fn ftruncate64(file: c_int, length: off64_t) -> c_int, on path_of(file);
    fn fchmod(file: c_int, mode: mode_t) -> c_int, on path_of(file);
    fn rename(from: *const c_char, to: *const c_char) -> c_int, on path_at(libc::AT_FDCWD, to);
    fn renameat(a: c_int, from: *const c_char, b: c_int, to: *const c_char) -> c_int, on path_at(b, to);
    fn renameat2(a: c_int, from: *const c_char, b: c_int, to: *const c_char, flags: c_uint) -> c_int, on path_at(b, to);
    fn link(from: *const c_char, to: *const c_char) -> c_int, on path_at(libc::AT_FDCWD, to);
    fn linkat(a: c_int, from: *const c_char, b: c_int, to: *const c_char, flags: c_int) -> c_int, on path_at(b, to);
    fn symlink(target: *const c_char, path: *const c_char) -> c_int, on path_at(libc::AT_FDCWD, path);
    fn unlink(path: *const c_char) -> c_int, on path_at(libc::AT_FDCWD, path);
    fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int, on path_at(folder, path);
    fn mkdir(path: *const c_char, mode: mode_t) -> c_int, on path_at(libc::AT_FDCWD, path);
    fn rmdir(path: *const c_char) -> c_int, on path_at(libc::AT_FDCWD, path);
}
