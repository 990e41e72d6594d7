//! [`is_attached`]: whether a debugger controls this process.

/// Returns whether a debugger controls this process, as far as that is known: on Linux and Android alone.
pub(crate) fn is_attached() -> bool {
    cfg!(any(target_os = "linux", target_os = "android"))
        && std::fs::read_to_string("/proc/self/status").is_ok_and(|status| has_tracer(&status))
}

fn has_tracer(status: &str) -> bool {
    status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|id| id.trim() != "0"))
}

#[cfg(test)]
mod tests {
    use super::has_tracer;

    #[test]
    fn a_tracer_is_recognized() {
        assert!(!has_tracer("Name:\ttest\nPid:\t12\nTracerPid:\t0\nUid:\t0\n"));
        assert!(has_tracer("Name:\ttest\nPid:\t12\nTracerPid:\t11\nUid:\t0\n"));
        assert!(!has_tracer(""));
    }
}
