//! Writes the report of the sample records, which are invented: `sample FOLDER`.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use fastersam_records::{samples, write_record};
use fastersam_report::build;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: sample FOLDER")?;
    let folder = Path::new(&folder);
    let records = folder.join("records");
    for record in samples::records().into_iter().chain([samples::bench().into()]) {
        write_record(&records, &record)?;
    }
    let page = build(&records, None, &folder.join("report"))?;
    writeln!(std::io::stdout(), "{}", page.display())?;
    Ok(())
}
