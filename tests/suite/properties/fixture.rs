//! A failing case stored by an earlier version, which every later version must find, read, replay and report in the
//! same way.
//!
//! `tests/suite/fixtures` has the other fixtures. `BLESS=1 cargo test` rewrites the reports, but never the stored case.

use std::path::Path;
use std::{env, fs};

use timeloop::proptest::Property;

use super::inputs::sales;
use crate::support::{Folder, redacted};

#[test]
fn a_case_of_an_earlier_version() {
    let stored = Path::new("tests/fixtures");
    let check = |folder: &Path| {
        let property = Property::new("fixtures::property").regressions(folder).without_environment();
        property.run((1..5_u32, 0..10_u32), |(stock, buyers)| sales(stock, buyers))
    };
    let read = |folder: &Path| {
        let text = fs::read_to_string(folder.join("fixtures.property.proptest.txt")).unwrap();
        // Comments name locations, and their wording may change.
        text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
    };
    // The case found and stored.
    let folder = Folder::new();
    let found = check(&folder.0);
    assert_eq!(read(&folder.0), read(stored));
    let found = folder.hidden_in(&found.failed.expect("it fails").found.report);
    // Line breaks depend on the folder's name.
    let found = found.replace("\n           ", " ");
    // The replay of the stored case.
    let again = check(stored);
    assert_eq!(again.cases, 0);
    let again = again.failed.expect("the stored case fails").found.report;
    let reports = redacted(&format!("== found\n{found}\n== from the file\n{again}"));
    let path = stored.join("property.report");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &reports).unwrap();
    }
    assert_eq!(reports, fs::read_to_string(&path).unwrap());
}
