//! `cargo xtask tidy`: what compilers and linters don't check.

mod built_in;
mod circles;
mod commands;
mod crates;
mod help;
mod imports;
mod keys;
mod layers;
mod links;
mod page;
mod rust;
mod tree;
mod words;

use anyhow::{Result, bail};
use clap::{Args, CommandFactory as _};

use crate::regress::planted;
use crate::{Xtask, program, workspace};
use page::Page;
use tree::{Finding, Tree};

/// What to check.
#[derive(Args)]
pub struct Tidy {
    /// Write the tables of keys in docs/configuration.md and the copies of built-in files anew
    #[arg(long)]
    write: bool,
    /// Check the program's commands and options in the documentation too (compiles the program)
    #[arg(long)]
    with_program: bool,
}

impl Tidy {
    /// Prints a line for each fault; fails if there is one.
    pub fn run(&self) -> Result<()> {
        let tree = Tree::of_the_repository()?;
        let packages = workspace::packages()?;
        let folders: Vec<String> = packages.iter().map(|package| package.folder.clone()).collect();
        let pages: Vec<(String, Page)> = tree
            .texts("", ".md")
            .filter(|(file, _)| is_page(file))
            .map(|(file, text)| (file.to_owned(), Page::read(text)))
            .collect();

        let mut found = layers::check(&tree, &packages, workspace::needs)?;
        found.extend(circles::check(&tree, &folders));
        found.extend(crates::check(&tree, &packages));
        found.extend(words::check(&tree));
        found.extend(pages.iter().flat_map(|(file, page)| links::check(&tree, file, page)));
        found.extend(keys::check(&tree, &pages, self.write)?);
        found.extend(built_in::check(workspace::root(), self.write)?);
        found.extend(planted::misfits().into_iter().map(|name| {
            let text = "it does not fit the sources any more; make the same mistake anew";
            Finding::new(&format!("xtask/planted/{name}.patch"), 1, text)
        }));
        let program = self.with_program.then(|| help::Program::new(program::help));
        let mut known = commands::Known { xtask: Xtask::command(), program, packages: &packages };
        for (file, page) in &pages {
            found.extend(commands::check(&mut known, file, page)?);
        }

        found.sort();
        found.dedup();
        #[allow(clippy::print_stdout)]
        for finding in &found {
            println!("{finding}");
        }
        match found.len() {
            0 => Ok(()),
            1 => bail!("1 thing is not tidy"),
            n => bail!("{n} things are not tidy"),
        }
    }
}

/// Whether a Markdown file is documentation, and not the fixture of a test or a generated report.
fn is_page(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    match parts.as_slice() {
        [_] | ["docs", ..] | ["fuzz" | "xtask", _] | ["vendor", _, "README.md"] => true,
        ["crates", _, name] => *name == "README.md",
        ["crates", _, "fixtures", name] => *name == "README.md",
        _ => false,
    }
}
