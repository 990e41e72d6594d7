//! [`run`]: calls a function in a copy of this process.
#![expect(unsafe_code, reason = "C functions that the standard library does not offer")]

use std::ffi::{c_int, c_ulong};
use std::io::{self, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;

use crate::console;
use crate::wire::Wire;

unsafe extern "C" {
    fn fork() -> c_int;
    fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn _exit(code: c_int) -> !;
    fn prctl(option: c_int, ...) -> c_int;
}

/// Calls `f` in a copy of this process, and returns its result. If the copy ends without one, this process ends in the same way.
///
/// # Panics
/// If the system refuses the copy.
pub(crate) fn run<R: Wire>(f: impl FnOnce() -> R) -> R {
    const PR_SET_PDEATHSIG: c_int = 1;
    const SIGKILL: c_ulong = 9;

    // Otherwise both processes would print what is buffered.
    flush();
    let advice = "raise the limit on processes or on memory, or do without `processes = true`";
    let (mut reader, mut writer) = io::pipe()
        .unwrap_or_else(|error| panic!("can't make a pipe to the process of a run: {error}; {advice}"));
    // SAFETY: the copy has this thread alone. By the module's invariant no other one holds a lock that the copy needs, and the C
    // library keeps its own locks in order. The copy never returns from this function, but ends by `_exit`.
    let process = unsafe { fork() };
    assert!(process >= 0, "can't start the process of a run: {}; {advice}", io::Error::last_os_error());
    if process == 0 {
        // SAFETY: this call takes a number, and has no other effect than that the process ends with its parent.
        unsafe { prctl(PR_SET_PDEATHSIG, SIGKILL) };
        drop(reader);
        let sent = catch_unwind(AssertUnwindSafe(|| {
            let mut bytes = Vec::new();
            f().put(&mut bytes);
            writer.write_all(&bytes).is_ok()
        }));
        flush();
        // SAFETY: it ends the process at once. The handlers of `exit` and the destructors of statics belong to the parent.
        unsafe { _exit(if sent.is_ok_and(|sent| sent) { 0 } else { 101 }) }
    }
    drop(writer);
    let mut bytes = Vec::new();
    let read = reader.read_to_end(&mut bytes);
    let status = wait(process);
    let mut rest = bytes.as_slice();
    let result = if read.is_ok() && status == 0 { R::take(&mut rest) } else { None };
    match result {
        Some(result) if rest.is_empty() => result,
        _ => end_as(status),
    }
}

/// Waits for the end of a process. Returns its status, as `waitpid` has it.
fn wait(process: c_int) -> c_int {
    let mut status = 0;
    loop {
        // SAFETY: the status is written to a valid place. The process is a child that nobody else waits for.
        if unsafe { waitpid(process, &raw mut status, 0) } == process {
            return status;
        }
        let error = io::Error::last_os_error();
        assert!(error.kind() == io::ErrorKind::Interrupted, "can't wait for the process of a run: {error}");
    }
}

/// Ends this process as one with this status has ended, which has printed why.
fn end_as(status: c_int) -> ! {
    match (status & 0x7f, status >> 8 & 0xff) {
        (0, code) => exit(code.max(1)),
        (signal, _) => {
            console::print(&format!("timeloop: the process of a run was ended by signal {signal}\n"));
            exit(128 + signal)
        }
    }
}

fn flush() {
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
}
