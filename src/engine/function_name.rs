//! Finds the name of the function that a task runs, in the name of its future's type.

/// Returns the name of the function that a future runs, from the name of the future's type. Empty if there is none.
///
/// The future of a function may be generic, and lie in other futures: `Pin<Box<bank::audit<u32>::{{closure}}>>`.
pub(crate) fn function_name(type_name: &'static str) -> &'static str {
    let Some(path) = type_name.strip_suffix("::{{closure}}") else {
        if type_name.is_empty() {
            return "";
        }
        // The first of the type's parameters that has a name.
        let parameters = type_name.strip_suffix('>').and_then(|outer| outer.split_once('<'));
        let parameters = parameters.filter(|(outer, _)| !outer.is_empty()).map_or("", |(_, inner)| inner);
        let mut names = outer_parts(parameters, ",").into_iter().map(str::trim);
        return names
            .find_map(|part| Some(function_name(part)).filter(|name| !name.is_empty()))
            .unwrap_or("");
    };
    let mut parts = outer_parts(path, "::");
    // The parameters of a generic function.
    parts.pop_if(|part| part.starts_with('<') && part.len() < path.len());
    let name = parts.pop().unwrap_or(path);
    let name = name.split_once('<').map_or(name, |(name, _)| name);
    // A block inside a closure or a test has no name.
    if name.starts_with('{') || name.contains(['>', ' ']) {
        return "";
    }
    match &parts[..] {
        // timeloop's own methods are unknown to the reader without their type.
        ["timeloop", modules @ .., of_type]
            if of_type.starts_with(|first: char| first.is_uppercase()) && !of_type.contains('<') =>
        {
            let start =
                modules.iter().fold("timeloop::".len(), |start, module| start + module.len() + "::".len());
            &path[start..start + of_type.len() + "::".len() + name.len()]
        }
        _ => name,
    }
}

/// Splits the name of a type at a separator, but not within its brackets.
fn outer_parts<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth, mut arrow) = (Vec::new(), 0, 0_i32, false);
    for (index, character) in text.char_indices() {
        match character {
            '<' | '(' | '[' => depth += 1,
            // The arrow of a function's type is not a bracket.
            '>' if arrow => {}
            '>' | ')' | ']' => depth -= 1,
            _ if depth == 0 && index >= start && text[index..].starts_with(separator) => {
                parts.push(&text[start..index]);
                start = index + separator.len();
            }
            _ => {}
        }
        arrow = character == '-';
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::function_name;

    #[test]
    fn d9_the_name_of_a_function_is_found_through_types_around_its_future() {
        for (type_name, name) in [
            ("bank::audit::{{closure}}", "audit"),
            ("bank::audit<u32>::{{closure}}", "audit"),
            ("bank::audit<std::vec::Vec<(u8, fn() -> u8)>>::{{closure}}", "audit"),
            ("core::pin::Pin<alloc::boxed::Box<bank::audit::{{closure}}>>", "audit"),
            ("tracing::instrument::Instrumented<bank::audit<a::B>::{{closure}}>", "audit"),
            ("futures::Map<bank::audit::{{closure}}, bank::main::{{closure}}::{{closure}}>", "audit"),
            ("timeloop::time::timeout::Timeout<(u8, bank::audit::{{closure}})>", ""),
            ("<bank::Foo as bank::Trait>::run::{{closure}}", "run"),
            ("<bank::Foo<u8>>::run<u8>::{{closure}}", "run"),
            ("bank::main::{{closure}}::{{closure}}", ""),
            ("core::pin::Pin<alloc::boxed::Box<dyn core::future::future::Future<Output = ()>>>", ""),
            ("core::future::pending::Pending<()>", ""),
            ("bank::Audit", ""),
            ("timeloop::net::fault_plan::FaultPlan::run::{{closure}}", "FaultPlan::run"),
            ("timeloop::net::lookup_host<&str>::{{closure}}", "lookup_host"),
            ("timeloop::net::TcpStream::connect<&str>::{{closure}}", "TcpStream::connect"),
            ("timeloop::net::TcpStream::connect::<&str>::{{closure}}", "TcpStream::connect"),
            ("timeloop::proptest::Workload<u8>::check<A, B>::{{closure}}", "check"),
        ] {
            assert_eq!(function_name(type_name), name, "{type_name}");
        }
    }
}
