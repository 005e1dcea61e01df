//! The page: one `index.html` with relative links, no script, nothing from the network.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use fastersam_records::Provenance;

use super::results::Results;
use super::table::escape_html;
use super::{Figure, RECONSTRUCTION, Section};

const STYLE: &str = include_str!("page.css");

/// The page of all sections.
pub fn page(sections: &[Section], results: &Results) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>FasterSAM: results</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>FasterSAM: results</h1>\n\
         <p class=\"warning\"><strong>Reconstruction.</strong> {}</p>\n</header>\n<nav><ul>\n",
        escape_html(RECONSTRUCTION)
    );
    for section in sections {
        _ = writeln!(html, "<li><a href=\"#{}\">{}</a></li>", section.id, escape_html(&section.title));
    }
    html.push_str("<li><a href=\"#provenance\">Provenance</a></li>\n</ul></nav>\n<main>\n");
    for section in sections {
        _ = write!(
            html,
            "<section id=\"{}\">\n<h2>{}</h2>\n<p>{}</p>\n",
            section.id,
            escape_html(&section.title),
            escape_html(&section.lead)
        );
        for table in &section.tables {
            _ = writeln!(html, "<h3>{}</h3>", escape_html(&table.title));
            html.push_str(&table.to_html());
            _ = writeln!(
                html,
                "<p class=\"files\"><a href=\"tables/{0}.csv\">CSV</a> <a href=\"tables/{0}.md\">Markdown</a></p>",
                table.id
            );
        }
        for plot in &section.plots {
            figure(&mut html, "plots", plot);
        }
        for picture in &section.pictures {
            figure(&mut html, "pictures", picture);
        }
        if section.id == super::bench_page::SECTION {
            _ = writeln!(
                html,
                "<p class=\"files\"><a href=\"{}\">All of it as a Markdown page</a></p>",
                super::bench_page::FILE
            );
        }
        html.push_str("</section>\n");
    }
    html.push_str("</main>\n");
    footer(&mut html, results);
    html.push_str("</body>\n</html>\n");
    html
}

fn figure(html: &mut String, folder: &str, figure: &Figure) {
    let (id, caption) = (&figure.id, escape_html(&figure.caption));
    let ending = if figure.svg.is_some() { "svg" } else { "png" };
    let svg = if figure.svg.is_some() { format!("<a href=\"{folder}/{id}.svg\">SVG</a> ") } else { String::new() };
    _ = write!(
        html,
        "<figure>\n<img src=\"{folder}/{id}.{ending}\" alt=\"{caption}\" loading=\"lazy\">\n\
         <figcaption>{caption} <span class=\"files\">{svg}<a href=\"{folder}/{id}.png\">PNG</a></span></figcaption>\n</figure>\n"
    );
}

/// What made some of the results.
#[derive(Default)]
struct Run<'a> {
    /// Dates of its records.
    dates: BTreeSet<&'a str>,
    n_records: usize,
}

/// What made the results; records that differ in the date only are one entry.
fn footer(html: &mut String, results: &Results) {
    let mut runs: BTreeMap<(Facts, String), Run<'_>> = BTreeMap::new();
    for provenance in results.provenances() {
        let config = serde_json::to_string_pretty(&provenance.config).unwrap_or_default();
        let run = runs.entry((facts(provenance), config)).or_default();
        run.dates.insert(&provenance.date);
        run.n_records += 1;
    }
    html.push_str("<footer id=\"provenance\">\n<h2>Provenance</h2>\n");
    for ((facts, config), Run { dates, n_records }) in &runs {
        html.push_str("<dl>");
        for (name, value) in facts {
            _ = write!(html, "<dt>{name}</dt><dd>{}</dd>", escape_html(value));
        }
        let (first, last) =
            (dates.first().copied().unwrap_or_default(), dates.last().copied().unwrap_or_default());
        let dates = if first == last { first.to_owned() } else { format!("{first} to {last}") };
        _ = writeln!(html, "<dt>made</dt><dd>{}, {n_records} records</dd></dl>", escape_html(&dates));
        _ = writeln!(
            html,
            "<details><summary>resolved configuration</summary><pre>{}</pre></details>",
            escape_html(config)
        );
    }
    html.push_str("</footer>\n");
}

/// Names and values.
type Facts = Vec<(&'static str, String)>;

fn facts(provenance: &Provenance) -> Facts {
    let mut facts = vec![
        ("version", format!("{} at commit {}", provenance.version, provenance.commit)),
        ("burn", provenance.burn_version.clone()),
        ("device", format!("{}, {} threads, {}", provenance.device, provenance.threads, provenance.cpu)),
        ("seed", provenance.seed.to_string()),
        ("data manifest", provenance.data_manifest_sha256.clone()),
        ("weights", provenance.weights_sha256.clone().unwrap_or_else(|| "none".into())),
    ];
    for (name, sha256) in [
        ("pre-trained backbone", &provenance.backbone_sha256),
        ("pre-trained decoder", &provenance.decoder_sha256),
    ] {
        facts.extend(sha256.iter().map(|sha256| (name, sha256.clone())));
    }
    if let Some(decoder) = &provenance.decoder_sha256 {
        facts.push(("pre-trained decoder", decoder.clone()));
    }
    facts
}
