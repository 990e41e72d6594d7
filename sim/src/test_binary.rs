//! [`TestBinary`]: the running test binary, and the cargo command that runs one of its tests again.
//!
//! # Invariants
//! The command depends on the package's files, on the variables that cargo sets for a test, and on the shell's folder.
//! Where these are unknown, the command has fewer arguments, and a shell in the package's folder understands it.

use std::fs;
use std::path::{Path, PathBuf};

/// The running binary, as cargo has built it.
pub(crate) struct TestBinary {
    /// The path of the binary.
    binary: PathBuf,
    /// The package's name and folder, if cargo has started the binary.
    package: Option<(String, PathBuf)>,
    /// The folder of the shell that has started cargo.
    shell: Option<PathBuf>,
}

impl TestBinary {
    pub(crate) fn of_this_process() -> Self {
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let folder = folder.filter(|folder| folder.join("Cargo.toml").is_file());
        let name = std::env::var("CARGO_PKG_NAME").ok();
        // cargo runs a test in the folder of its package, but leaves this variable alone.
        let shell = std::env::var_os("PWD").and_then(|folder| fs::canonicalize(folder).ok());
        Self {
            binary: std::env::current_exe().unwrap_or_default(),
            package: name.zip(folder.and_then(|folder| fs::canonicalize(folder).ok())),
            shell,
        }
    }

    /// Returns the command that runs `test` again. Without a test it runs the program, or all documentation tests.
    /// `features` are those that the binary was built with, if they are known.
    pub(crate) fn command(&self, test: Option<&str>, features: Option<&str>) -> String {
        let cargo = if self.is_program() { "cargo run" } else { "cargo test" };
        match self.arguments(test, features) {
            arguments if arguments.is_empty() => cargo.to_owned(),
            arguments => format!("{cargo} {arguments}"),
        }
    }

    /// Returns the arguments of [`command`](Self::command) after `cargo test` or `cargo run`.
    pub(crate) fn arguments(&self, test: Option<&str>, features: Option<&str>) -> String {
        let features = features.map_or_else(|| self.required_features(), |features| self.features(features));
        let test = test.map(|test| format!("{test} -- --exact"));
        let arguments = [self.package(), features, self.target(), test];
        arguments.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Returns the name of the target, with `_` for `-`, and whether the binary is a test: its name then ends in a hash.
    fn stem(&self) -> (String, bool) {
        let stem = self.binary.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        match stem.rsplit_once('-') {
            Some((name, hash)) if is_hash(hash) => (name.to_owned(), true),
            _ => (stem, false),
        }
    }

    fn is_in(&self, folder: &str) -> bool {
        let parent = self.binary.parent().and_then(Path::file_name);
        parent.is_some_and(|parent| parent.to_string_lossy().starts_with(folder))
    }

    /// Returns the path of the binary.
    pub(crate) fn path(&self) -> &Path {
        &self.binary
    }

    pub(crate) fn is_program(&self) -> bool {
        !self.stem().1 && !self.is_in("rustdoctest")
    }

    /// Selects the target.
    fn target(&self) -> Option<String> {
        if self.is_in("rustdoctest") {
            return Some("--doc".to_owned());
        }
        let (stem, is_test) = self.stem();
        let (name, folder) = self.package.as_ref()?;
        let of = |kind: &str| target_in(&folder.join(kind), &stem);
        if self.is_in("examples") {
            // Of an example that is elsewhere only the name with `_` is known. cargo accepts patterns.
            let name = of("examples").unwrap_or_else(|| format!("'{}'", stem.replace('_', "?")));
            return Some(format!("--example {name}"));
        }
        if let Some(name) = of("tests").filter(|_| is_test) {
            return Some(format!("--test {name}"));
        }
        if let Some((name, _)) = self.declared_test() {
            return Some(format!("--test {name}"));
        }
        if let Some(name) = of("src/bin") {
            return Some(format!("--bin {name}"));
        }
        let has = |file: &str| folder.join("src").join(file).is_file();
        match (stem == name.replace('-', "_") || stem == *name, has("lib.rs"), has("main.rs")) {
            (true, true, false) if is_test => Some("--lib".to_owned()),
            (true, false, true) => Some(format!("--bin {name}")),
            (true, true, true) if !is_test => Some(format!("--bin {name}")),
            _ => None,
        }
    }

    /// Selects the package: by its manifest if the shell is outside of its workspace, and by its name if the workspace has
    /// others.
    fn package(&self) -> Option<String> {
        let (name, folder) = self.package.as_ref()?;
        let workspace = workspace_of(folder)?;
        if let Some(shell) = &self.shell
            && workspace_of(shell).as_ref() != Some(&workspace)
        {
            let manifest = folder.join("Cargo.toml");
            let manifest = manifest.strip_prefix(shell).unwrap_or(&manifest).display().to_string();
            return Some(format!("--manifest-path {}", quoted(&manifest)));
        }
        let has_members = |text: String| text.lines().any(|line| line.trim_start().starts_with("members"));
        fs::read_to_string(workspace.join("Cargo.toml")).is_ok_and(has_members).then(|| format!("-p {name}"))
    }

    /// Returns the name of this test binary and the features that it requires, if the manifest declares it.
    fn declared_test(&self) -> Option<(String, Vec<String>)> {
        let (_, folder) = self.package.as_ref()?;
        let (stem, is_test) = self.stem();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok().filter(|_| is_test)?;
        tests_of(&manifest).into_iter().find(|(name, _)| name.replace('-', "_") == stem)
    }

    /// Selects the features without which cargo does not build this binary.
    fn required_features(&self) -> Option<String> {
        let (_, required) = self.declared_test()?;
        (!required.is_empty()).then(|| format!("--features {}", required.join(",")))
    }

    /// Selects these features, of which the default ones need no argument.
    fn features(&self, features: &str) -> Option<String> {
        let (_, folder) = self.package.as_ref()?;
        let known = features_of(&fs::read_to_string(folder.join("Cargo.toml")).ok()?);
        let mut implied = vec!["default".to_owned()];
        let mut next = 0;
        while next < implied.len() {
            let of = known.iter().find(|(name, _)| *name == implied[next]);
            for feature in of.map_or(&[][..], |(_, implies)| implies) {
                if !implied.contains(feature) {
                    implied.push(feature.clone());
                }
            }
            next += 1;
        }
        let built_with: Vec<&str> = features.split(',').filter(|feature| !feature.is_empty()).collect();
        let has_default = known.iter().any(|(name, _)| name == "default");
        let without_default = has_default && !built_with.contains(&"default");
        let added: Vec<&str> = built_with
            .into_iter()
            .filter(|feature| without_default || !implied.iter().any(|implied| implied == feature))
            .collect();
        let mut text = if without_default { "--no-default-features".to_owned() } else { String::new() };
        if !added.is_empty() {
            let space = if text.is_empty() { "" } else { " " };
            text.push_str(&format!("{space}--features {}", added.join(",")));
        }
        (!text.is_empty()).then_some(text)
    }
}

/// Returns the name of the target in `folder` whose crate is called `stem`.
fn target_in(folder: &Path, stem: &str) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?;
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_target =
                path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
            is_target.then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
        })
        .filter(|name| name.replace('-', "_") == stem.replace('-', "_"))
        .min()
}

/// Returns the root folder of the workspace that a folder belongs to; without a workspace, the folder of its package.
fn workspace_of(folder: &Path) -> Option<PathBuf> {
    let text = |folder: &&Path| fs::read_to_string(folder.join("Cargo.toml")).ok();
    let packages = || folder.ancestors().filter(|folder| text(folder).is_some());
    let is_root = |folder: &&Path| {
        text(folder).is_some_and(|text| text.lines().any(|line| line.trim_start().starts_with("[workspace")))
    };
    packages().find(is_root).or_else(|| packages().next()).map(Path::to_owned)
}

/// Returns the integration tests that a manifest declares, each with the features that it requires.
fn tests_of(manifest: &str) -> Vec<(String, Vec<String>)> {
    let sections = manifest.split("\n[[test]]").skip(1);
    let tests = sections.filter_map(|section| {
        let section = section.split_once("\n[").map_or(section, |(section, _)| section);
        let value = |key: &str| {
            let line =
                section.lines().find(|line| line.split('=').next().is_some_and(|name| name.trim() == key))?;
            line.split_once('=').map(|(_, value)| value.trim())
        };
        let name = value("name")?.trim_matches('"').to_owned();
        let required = value("required-features").unwrap_or_default().trim_matches(['[', ']']);
        let required = required.split(',').map(|name| name.trim().trim_matches('"').to_owned());
        Some((name, required.filter(|name| !name.is_empty()).collect()))
    });
    tests.collect()
}

/// Returns the features in a manifest, each with those that it implies.
fn features_of(manifest: &str) -> Vec<(String, Vec<String>)> {
    let mut features = Vec::new();
    let section = manifest.split_once("[features]").map_or("", |(_, rest)| rest);
    let section = section.split_once("\n[").map_or(section, |(section, _)| section);
    for entry in section.split(']') {
        if let Some((name, list)) = entry.split_once('[') {
            let name = name.lines().last().unwrap_or_default().trim().trim_end_matches('=').trim();
            let implies = list.split(',').map(|name| name.trim().trim_matches('"').to_owned());
            features.push((name.trim_matches('"').to_owned(), implies.collect()));
        }
    }
    features
}

/// Returns the text as a word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+".contains(character);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
