//! Writes phantoms in a published form, brings them into the prepared form and checks them.
//!
//! `cargo run --release -p fastersam-datasets --example forms -- FOLDER acdc-h5`
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use fastersam_datasets::forms::{self, write_phantoms};
use fastersam_datasets::phantom::PhantomOptions;
use fastersam_datasets::{DataSet, Form, LabelScheme, OpenOptions, check, prepared};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, form] = &arguments[..] else {
        let names = forms::ALL.map(|form| format!("{}: {}", form.name(), form.layout())).join("\n");
        return Err(format!("give a folder and a form\n{names}").into());
    };
    let (folder, form) = (PathBuf::from(folder), form.parse::<Form>()?);
    let label_scheme = Some(LabelScheme::Transunet);
    let options = PhantomOptions { cases: 6, size: 64, label_scheme, ..PhantomOptions::default() };
    write_phantoms(&folder.join("published"), form, &options)?;

    let open = OpenOptions { label_scheme, ..OpenOptions::default() };
    let set = DataSet::open(&folder.join("published"), &open)?;
    prepared::import(&set, &folder.join("prepared"), |case| println!("imported {case}"))?;

    let prepared = DataSet::open(&folder.join("prepared"), &OpenOptions::default())?;
    print!("{}", check::check(&prepared, &[], false));
    Ok(())
}
