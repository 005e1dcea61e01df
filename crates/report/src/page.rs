//! The page: one `index.html` with relative links, no script, nothing from the network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::bench_page;
use crate::figure::Figure;
use crate::notice::RECONSTRUCTION;
use crate::provenance;
use crate::results::Results;
use crate::section::Section;

const STYLE: &str = include_str!("page.css");
const TITLE: &str = "FasterSAM: results";

/// The page of all sections.
pub fn page(sections: &[Section], results: &Results) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (TITLE) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (TITLE) }
                    p.warning { strong { "Reconstruction." } " " (RECONSTRUCTION) }
                }
                nav {
                    ul {
                        @for section in sections {
                            li { a href={ "#" (section.id) } { (section.title) } }
                        }
                        li { a href="#provenance" { "Provenance" } }
                    }
                }
                main {
                    @for of_page in sections { (section(of_page)) }
                }
                (provenance::footer(results))
            }
        }
    };
    page.into_string()
}

fn section(section: &Section) -> Markup {
    html! {
        section id=(section.id) {
            h2 { (section.title) }
            p { (section.lead) }
            @for table in &section.tables {
                h3 { (table.title) }
                (table.to_html())
                p.files {
                    a href={ "tables/" (table.id) ".csv" } { "CSV" } " "
                    a href={ "tables/" (table.id) ".md" } { "Markdown" }
                }
            }
            @for plot in &section.plots { (figure("plots", plot)) }
            @for picture in &section.pictures { (figure("pictures", picture)) }
            @if section.id == bench_page::SECTION {
                p.files { a href=(bench_page::FILE) { "This section as a Markdown page" } }
            }
        }
    }
}

fn figure(folder: &str, figure: &Figure) -> Markup {
    let path = |ending: &str| format!("{folder}/{}.{ending}", figure.id);
    let shown = path(if figure.svg.is_some() { "svg" } else { "png" });
    html! {
        figure {
            div.wide {
                img src=(shown) alt=(figure.caption) width=(figure.size.0) height=(figure.size.1) loading="lazy";
            }
            figcaption {
                (figure.caption) " "
                span.files {
                    @if figure.svg.is_some() { a href=(path("svg")) { "SVG" } " " }
                    a href=(path("png")) { "PNG" }
                }
            }
        }
    }
}
