//! One scan on its way through the model and into files.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::{Result, bail};
use fastersam::checkpoint::to_json;
use fastersam::{ClassStatistics, LabelMap, SegmentOptions, Segmenter, SliceView, label_names_path};
use fastersam_dicom::Segmentation;
use fastersam_files::{FileError, write_atomically};
use fastersam_progress::{self as progress, count, say};
use fastersam_records::NOTICE;
use fastersam_report::{Preview, PreviewSlice, Viewer};
use serde_json::json;

use super::outputs::{Extras, Format, Job};
use super::source::Source;
use crate::output::print;

/// The most slices of a preview.
const MAX_SHOWN: usize = 8;

/// The most bytes of a file on a page that shows it; browsers refuse longer texts.
const MAX_SHOWN_BYTES: u64 = 256 << 20;

/// What is done with every scan.
pub struct Task {
    pub segmenter: Segmenter,
    pub options: SegmentOptions,
    /// Classes of which only the largest component is kept.
    pub keep_largest: Vec<u8>,
    pub weights_sha256: String,
    pub extras: Extras,
    /// UID or number of the series, where a scan is DICOM.
    pub series: Option<String>,
    pub json: bool,
}

impl Task {
    /// Segments a scan, writes what was asked for, and prints where the label map is.
    ///
    /// # Errors
    /// Where the scan can't be read or a file can't be written.
    pub fn run(&self, job: &Job) -> Result<()> {
        let Job { scan: path, label_map, .. } = job;
        let started = Instant::now();
        let mut scan = Source::open(path, self.series.as_deref())?;
        let series_uid = scan.series().map(|series| series.summary().uid);
        if let Some(series) = scan.series().filter(|_| !self.json) {
            say(&series.summary().to_string());
        }
        let n_slices = scan.grid().oriented_shape(self.segmenter.info().orientation)[0];
        let bar = progress::bar("segmenting", n_slices, "slices");
        let found = scan.segment(&self.segmenter, &self.options, |n| bar.inc(n as u64));
        bar.finish_and_clear();
        let mut found = found?;
        let seconds = started.elapsed().as_secs_f64();
        found.warnings.iter().for_each(|warning| say(&format!("warning: {}: {warning}", path.display())));
        let removed: usize = self.keep_largest.iter().map(|&class| found.keep_largest(class)).sum();
        self.write_extras(job, &scan, &found)?;
        self.write_label_map(job, &scan, &found)?;
        if self.extras.html {
            scan.write_nifti(&job.nifti_scan())?;
            write_atomically(&job.viewer(), viewer(job, &found)?.as_bytes())?;
        }
        let names = (job.format == Format::Nifti).then(|| label_names_path(label_map));
        if self.json {
            let volumes: serde_json::Map<_, _> =
                found.volumes_ml().map(|(name, ml)| (name.to_owned(), json!(ml))).collect();
            let result = json!({
                "scan": path.to_string_lossy(), "segmentation": label_map.to_string_lossy(),
                "labels": names.as_deref().map(Path::to_string_lossy), "series_uid": series_uid, "seconds": seconds, "volume_ml": volumes,
                "pause": self.options.pausing, "voxels_removed": removed, "model_sha256": self.weights_sha256,
                "version": env!("CARGO_PKG_VERSION"), "warnings": found.warnings, "notice": NOTICE,
            });
            return print(&result.to_string());
        }
        for (name, ml) in found.volumes_ml() {
            say(&format!("{name:<20} {ml:>10.1} ml"));
        }
        if removed > 0 {
            say(&format!("outside the largest components: {} dropped", count(removed, "voxel")));
        }
        let names = names.map_or_else(String::new, |names| format!("; label names in {}", names.display()));
        say(&format!("{} in {seconds:.2} s{names}", count(n_slices, "slice")));
        print(&label_map.display().to_string())
    }

    /// Writes the label map in the form that was asked for, and as NIfTI where a viewer needs it.
    fn write_label_map(&self, job: &Job, scan: &Source, found: &LabelMap) -> Result<()> {
        if let (Format::DicomSeg, Some(series)) = (job.format, scan.series()) {
            let about = Segmentation {
                table: &found.labels,
                program_version: env!("CARGO_PKG_VERSION"),
                model_sha256: &self.weights_sha256,
                created: SystemTime::now(),
            };
            series.write_segmentation(&job.label_map, &found.classes, &about)?;
        }
        if job.format == Format::Nifti || self.extras.html {
            found.write(job.nifti_label_map())?;
        }
        Ok(())
    }

    fn write_extras(&self, job: &Job, scan: &Source, found: &LabelMap) -> Result<()> {
        if self.extras.save_pause_map || self.extras.html {
            found.write_pause_map(&job.pause_map())?;
        }
        if self.extras.save_probabilities {
            found.write_probabilities(&job.probabilities())?;
        }
        if self.extras.preview {
            let slices = found.slices_through_classes(MAX_SHOWN, |see| scan.for_each_voxel(see))?;
            write_atomically(&job.preview(), &preview(&job.scan, found, slices).to_png()?)?;
        }
        if self.extras.statistics {
            let statistics = found.statistics(|see| scan.for_each_voxel(see))?;
            let [as_json, as_csv] = job.statistics();
            let all = json!({ "scan": job.scan.to_string_lossy(), "classes": statistics, "notice": NOTICE });
            write_atomically(&as_json, to_json(&all)?.as_bytes())?;
            write_atomically(&as_csv, csv(&job.scan, &statistics).as_bytes())?;
        }
        if self.extras.color_tables {
            let [slicer, itk_snap] = job.color_tables();
            write_atomically(&slicer, found.labels.to_slicer_colors().as_bytes())?;
            write_atomically(&itk_snap, found.labels.to_itk_snap_labels().as_bytes())?;
        }
        Ok(())
    }
}

/// What the picture shows.
fn preview(scan: &Path, found: &LabelMap, slices: Vec<SliceView>) -> Preview {
    let n_slices = found.slices.len();
    let slice = |view: SliceView| PreviewSlice {
        label: format!("slice {} of {n_slices}", view.slice + 1),
        rows: view.image.nrows(),
        cols: view.image.ncols(),
        image: view.image.iter().map(|value| (255.0 * value.clamp(0.0, 1.0)) as u8).collect(),
        classes: view.classes.iter().copied().collect(),
        truth: None,
        pixel_aspect: view.pixel_aspect,
        paused_at: view.paused_at,
    };
    Preview {
        title: scan.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        class_names: found.labels.names[1..].to_vec(),
        pause_point_names: found.pause_point_names().collect(),
        slices: slices.into_iter().map(slice).collect(),
    }
}

/// The page with scan, label map and pause map as they lie on disk.
fn viewer(job: &Job, found: &LabelMap) -> Result<String> {
    let read = |path: &Path| -> Result<Vec<u8>> {
        let at = FileError::at(path);
        let n_bytes = std::fs::metadata(path).map_err(&at)?.len();
        if n_bytes > MAX_SHOWN_BYTES {
            bail!(
                "{} has {n_bytes} bytes; a page can show {MAX_SHOWN_BYTES}: pack it as .nii.gz, or leave --html out",
                path.display()
            );
        }
        Ok(std::fs::read(path).map_err(&at)?)
    };
    let [scan, label_map, pause_map] =
        [job.nifti_scan(), job.nifti_label_map(), job.pause_map()].map(|path| read(&path));
    let volumes_ml: Vec<f64> = found.volumes_ml().map(|(_, ml)| ml).collect();
    let pause_point_names: Vec<String> = found.pause_point_names().collect();
    let viewer = Viewer {
        title: &job.scan.file_name().unwrap_or_default().to_string_lossy(),
        scan: &scan?,
        window: found.window(),
        label_map: &label_map?,
        labels: &found.labels,
        volumes_ml: &volumes_ml,
        pause_map: &pause_map?,
        pause_point_names: &pause_point_names,
    };
    Ok(viewer.to_html())
}

/// A line a class; what is not known is empty.
fn csv(scan: &Path, statistics: &[ClassStatistics]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text =
        "scan,class,code,n_voxels,volume_ml,mean_intensity,std_intensity,first_i,last_i,first_j,last_j,first_k,\
                    last_k,n_components,largest_component_ml\n"
            .to_owned();
    for class in statistics {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let bounds = class.bounding_box_vox.map_or_else(
            || ",,,,,".to_owned(),
            |bounds| bounds.as_flattened().iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        );
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{bounds},{},{}",
            quoted(&scan.to_string_lossy()),
            quoted(&class.name),
            class.code,
            class.n_voxels,
            class.volume_ml,
            number(class.mean_intensity),
            number(class.std_intensity),
            class.n_components,
            class.largest_component_ml
        );
    }
    text
}
