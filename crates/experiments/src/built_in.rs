//! Suites and experiments that are part of the program, so that it runs them without its sources.
//!
//! They are the files of `configs`, copied to this crate's `assets` because a published package holds its own files only;
//! `cargo xtask tidy` compares the two.

/// Suites by name.
pub const SUITES: [(&str, &str); 3] = [
    ("acdc-vit-s", include_str!("../assets/suites/acdc-vit-s.toml")),
    ("cpu-quick", include_str!("../assets/suites/cpu-quick.toml")),
    ("smoke", include_str!("../assets/suites/smoke.toml")),
];

/// Experiments by name.
pub const EXPERIMENTS: [(&str, &str); 5] = [
    ("acdc-small", include_str!("../assets/experiments/acdc-small.toml")),
    ("acdc-vit-s", include_str!("../assets/experiments/acdc-vit-s.toml")),
    ("phantom-abdomen", include_str!("../assets/experiments/phantom-abdomen.toml")),
    ("phantom-heart", include_str!("../assets/experiments/phantom-heart.toml")),
    ("synapse-small", include_str!("../assets/experiments/synapse-small.toml")),
];

/// The text of that name.
pub(crate) fn text(of: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    of.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Experiment, Suite};

    #[test]
    fn every_file_is_built_in_and_can_be_read() {
        for (folder, of) in [("suites", &SUITES[..]), ("experiments", &EXPERIMENTS[..])] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(folder);
            let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            let mut names: Vec<String> =
                files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
            names.sort();
            assert_eq!(names, of.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        }
        for (name, _) in SUITES {
            let (suite, experiments) = Suite::built_in(name, &[]).unwrap().unwrap();
            assert_eq!(suite.experiments.len(), experiments.len());
        }
        for (name, _) in EXPERIMENTS {
            assert_eq!(Experiment::read(name.as_ref(), &[]).unwrap().id, name);
        }
        assert!(Suite::built_in("huge", &[]).is_none());
        assert!(Experiment::read("no/phantom-heart".as_ref(), &[]).is_err());
    }
}
