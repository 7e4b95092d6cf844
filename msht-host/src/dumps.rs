//! No core dumps: what is in memory stays there when the program crashes.
//!
//! Two things, each enough for one way out. `RLIMIT_CORE` of zero, soft and hard, keeps the kernel from writing a
//! core file, and children inherit it. A core that is *piped* to a program (`core_pattern` beginning with `|`)
//! ignores small limits, so on Linux the process is also made non-dumpable, which besides keeps other processes
//! of the same account from attaching to it or reading `/proc/PID/mem`. Neither stops the system's administrator,
//! a hypervisor, swap or hibernation.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The system does not let this process forbid core dumps.
#[derive(Debug, thiserror::Error)]
#[error("core dumps cannot be forbidden: {0}")]
pub struct DumpError(#[from] rustix::io::Errno);

/// Forbids core dumps of this process, for good. Call it before anything secret is read.
///
/// # Errors
/// [`DumpError`] where the system refuses, or says afterwards that it did not do as it was told.
pub fn forbid_dumps() -> Result<(), DumpError> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    if getrlimit(Resource::Core).current != Some(0) {
        return Err(DumpError(rustix::io::Errno::PERM));
    }
    not_dumpable()
}

#[cfg(target_os = "linux")]
fn not_dumpable() -> Result<(), DumpError> {
    use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    if dumpable_behavior()? != DumpableBehavior::NotDumpable {
        return Err(DumpError(rustix::io::Errno::PERM));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn not_dumpable() -> Result<(), DumpError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_limit_is_zero_and_cannot_be_raised_by_asking_again() {
        forbid_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        forbid_dumps().unwrap();
    }
}
