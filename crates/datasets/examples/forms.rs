//! Writes phantoms in a published form, brings them into the prepared form and checks them.
//!
//! `cargo run --release -p fastersam-datasets --example forms -- FOLDER acdc-h5`
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use fastersam_datasets::write::{PhantomOptions, phantoms};
use fastersam_datasets::{DataSet, Form, OpenOptions, check, prepared};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = PathBuf::from(arguments.get(1).ok_or("give a folder")?);
    let form = Form::ALL.into_iter().find(|form| arguments.get(2).is_none_or(|name| form.name() == name));
    let form = form.ok_or("there is no such form")?;
    let options = PhantomOptions { cases: 6, size: 64, ..PhantomOptions::default() };
    phantoms(&folder.join("published"), form, &options)?;

    let open = OpenOptions { coding: Some(options.coding), ..OpenOptions::default() };
    let set = DataSet::open(&folder.join("published"), &open)?;
    prepared::import(&set, &folder.join("prepared"), |case| println!("imported {case}"))?;

    let prepared = DataSet::open(&folder.join("prepared"), &OpenOptions::default())?;
    print!("{}", check::check(&prepared, &[], false));
    Ok(())
}
