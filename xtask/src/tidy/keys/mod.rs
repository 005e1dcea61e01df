//! Keys of configuration files: the tables that list them, and pages that show some.

mod bounds;
mod notes;
mod schema;
mod shape;
mod source;
mod tables;
mod values;

use anyhow::{Context, Result};

use super::page::Page;
use super::tree::{Finding, Tree};
use crate::workspace;
use schema::Schema;
use tables::{PAGE, marked};
use values::ROOTS;

/// Checks the page with the tables, or writes them anew, and what the pages show of keys.
pub fn check(tree: &Tree, pages: &[(String, Page)], write: bool) -> Result<Vec<Finding>> {
    let schema = Schema::read(tree);
    let Some(page) = tree.text(PAGE) else {
        return Ok(vec![Finding::new(PAGE, 1, "the page is missing; it has to list the keys")]);
    };
    let (renewed, mut found) = tables::renew(tree, &schema, page);
    if write && renewed != page {
        std::fs::write(workspace::root().join(PAGE), &renewed)
            .with_context(|| format!("{PAGE} can't be written"))?;
        found.retain(|finding| !finding.to_string().contains("tidy --write"));
    }
    let documented: Vec<&str> = page.lines().filter_map(marked).collect();
    for root in ROOTS.iter().filter(|root| !documented.contains(root)) {
        found.push(Finding::new(PAGE, 1, format!("it has no table of {root}; write `<!-- keys: {root} -->`")));
    }
    found.extend(pages.iter().flat_map(|(file, page)| values::check(&schema, &documented, file, page)));
    Ok(found)
}
