//! Reads a DICOM series and writes it as NIfTI; with a label map on its grid, writes that as a DICOM segmentation.
//!
//!     cargo run --release --example series -- FOLDER OUT.nii.gz [--series UID] [--labels LABELS.nii.gz SEGMENTATION.dcm]

use std::path::Path;
use std::time::SystemTime;

use fastersam_dicom::{DicomSeries, Segmentation};
use fastersam_volume::{LabelTable, Scan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| args.iter().position(|arg| arg == name).map(|at| &args[at + 1..]);
    let [folder, output, ..] = args.as_slice() else {
        return Err("give a folder with DICOM files, and the NIfTI file to be written".into());
    };
    let chosen = after("--series").and_then(|rest| rest.first());
    let mut series = DicomSeries::open(Path::new(folder), chosen.map(String::as_str))?;
    let scan = series.scan()?;
    scan.grid.write_intensities(Path::new(output), &scan.voxels)?;
    scan.notes.iter().for_each(|note| eprintln!("note: {note}"));
    if let Some([labels, segmentation, ..]) = after("--labels") {
        let classes = Scan::read(Path::new(labels))?.voxels.mapv(|value| value as u8);
        let n_classes = classes.iter().copied().max().unwrap_or(0).max(1);
        let names: Vec<String> = (1..=n_classes).map(|class| format!("class {class}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let about = Segmentation {
            table: &LabelTable::new(&names),
            program_version: env!("CARGO_PKG_VERSION"),
            model_sha256: "none: this is an example",
            created: SystemTime::now(),
        };
        series.write_segmentation(Path::new(segmentation), &classes, &about)?;
    }
    Ok(())
}
