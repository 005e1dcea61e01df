#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bench_page;
mod bench_summary;
mod draw;
mod error;
mod figure;
mod figures;
mod files;
mod names;
mod notice;
mod page;
mod pictures;
mod preview;
mod provenance;
mod published;
mod regression;
mod results;
mod scores;
mod section;
mod settings;
mod table;
mod tables;
mod viewer;

pub use bench_page::FILE as BENCH_PAGE;
pub use bench_summary::bench_summary;
pub use error::ReportError;
pub use files::{build, copy_bench_page, files};
pub use notice::RECONSTRUCTION;
pub use preview::{Preview, PreviewSlice};
pub use published::{Published, PublishedRow, PublishedScores, PublishedSpeed};
pub use regression::{
    benchmark_json as regression_benchmark_json, markdown as regression_markdown, page as regression_page,
};
pub use viewer::Viewer;
