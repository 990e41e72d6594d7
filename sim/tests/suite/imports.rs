//! The imports between the modules of this crate have no cycles.
//!
//! The test reads `use` items and paths from `crate` as text. An import through a re-export counts as an import of the module
//! that defines the name, so that a cycle can't hide behind a re-export.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module below the crate: `["report", "steps"]`.
type Module = Vec<String>;

#[derive(Default)]
struct Crate {
    /// The paths that each module uses outside its tests, from the root of the crate, and whether it re-exports them.
    uses: BTreeMap<Module, Vec<(Module, bool)>>,
}

impl Crate {
    fn read(folder: &Path, at: &Module, all: &mut Self) {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let mut module = at.clone();
            if path.is_dir() {
                module.push(name);
                Self::read(&path, &module, all);
            } else {
                if !["mod", "lib"].contains(&&*name) {
                    module.push(name);
                }
                let text = fs::read_to_string(&path).unwrap();
                all.uses.insert(module.clone(), uses(&text, &module));
            }
        }
    }

    /// Returns the module that defines the item at a path.
    fn definer(&self, path: &[String]) -> Module {
        let mut module = Module::new();
        for (index, name) in path.iter().enumerate() {
            let inner = [&module[..], std::slice::from_ref(name)].concat();
            if self.uses.contains_key(&inner) {
                module = inner;
                continue;
            }
            let reexported = self.uses[&module].iter().find(|(used, public)| {
                *public && used.last() == Some(name) && used.len() > inner.len() && used.starts_with(&module)
            });
            return match reexported {
                Some((used, _)) => self.definer(&[&used[..], &path[index + 1..]].concat()),
                None => module,
            };
        }
        module
    }

    /// Returns the imports between the modules in `folder`, each including its submodules.
    fn imports(&self, folder: &[String]) -> BTreeMap<String, BTreeSet<String>> {
        let inside = |module: &[String]| module.strip_prefix(folder)?.first().cloned();
        let mut imports = BTreeMap::<_, BTreeSet<_>>::new();
        for (module, uses) in &self.uses {
            let Some(from) = inside(module) else { continue };
            let to = uses.iter().filter_map(|(path, _)| inside(&self.definer(path))).filter(|to| *to != from);
            imports.entry(from.clone()).or_default().extend(to);
        }
        imports
    }
}

/// Returns the paths that a file uses, from the root of the crate, and which of them it re-exports.
fn uses(text: &str, module: &Module) -> Vec<(Module, bool)> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap()).collect();
    let mut all = Vec::new();
    for path in code.join(" ").split("crate::").skip(1) {
        let end = path
            .find(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter))
            .unwrap_or(path.len());
        all.push((path[..end].split("::").map(str::to_owned).collect(), false));
    }
    for statement in code.join(" ").split(';') {
        let Some((before, tree)) = statement.rsplit_once("use ") else { continue };
        if !tree.chars().all(|letter| letter.is_alphanumeric() || " _:{},*".contains(letter)) {
            // The word `use` in a text.
            continue;
        }
        let public = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
        expand(tree, &[], &mut |path| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let up = path.iter().take_while(|name| **name == "super").count();
            let (base, rest) = match path[..] {
                ["crate", ..] => (&[][..], &path[1..]),
                ["self", ..] => (&module[..], &path[1..]),
                ["std" | "core", ..] => return,
                _ if up > 0 => (&module[..module.len() - up], &path[up..]),
                _ => (&module[..], &path[..]),
            };
            all.push((
                [base, &rest.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()].concat(),
                public,
            ));
        });
    }
    all
}

/// Calls `found` with each path of `a::{b, c::{self, d as e}}`.
fn expand(tree: &str, base: &[String], found: &mut dyn FnMut(Module)) {
    let (mut depth, mut start) = (0, 0);
    let mut parts = Vec::new();
    for (index, letter) in tree.char_indices().chain([(tree.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(tree[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let (path, inner) = part.split_once('{').map_or((part, None), |(path, inner)| (path, Some(inner)));
        let path = path.split(" as ").next().unwrap();
        let names = path.split("::").map(|name| name.trim().to_owned());
        let full: Module = base.iter().cloned().chain(names.filter(|name| !name.is_empty())).collect();
        match inner {
            Some(inner) => expand(inner.strip_suffix('}').expect("it is closed"), &full, found),
            None if full.last().is_some_and(|name| name == "self") && full.len() > 1 => {
                found(full[..full.len() - 1].to_vec());
            }
            None => found(full),
        }
    }
}

/// Removes modules that no remaining module imports, until there are none. The rest is in cycles, or is imported from one.
fn circle(mut imports: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let count = imports.len();
        let names: BTreeSet<String> = imports.keys().cloned().collect();
        imports.values_mut().for_each(|to| to.retain(|name| names.contains(name)));
        imports.retain(|_, to| !to.is_empty());
        let imported: BTreeSet<String> = imports.values().flatten().cloned().collect();
        imports.retain(|name, _| imported.contains(name));
        if imports.len() == count {
            return imports;
        }
    }
}

#[test]
fn imports_have_no_cycles() {
    let mut sources = Crate::default();
    Crate::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Vec::new(), &mut sources);
    let folders: BTreeSet<Module> =
        sources.uses.keys().filter_map(|module| Some(module.split_last()?.1.to_vec())).collect();
    assert!(folders.len() > 5, "{folders:?}");
    let top = sources.imports(&[]);
    assert!(top["session"].contains("report") && top["strategy"].contains("decision"), "{top:#?}");
    for folder in folders {
        let circle = circle(sources.imports(&folder));
        assert!(circle.is_empty(), "modules of `{}` import in a cycle: {circle:#?}", folder.join("::"));
    }
}
