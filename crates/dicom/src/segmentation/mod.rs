//! Label maps as DICOM segmentations (Segmentation Storage, BINARY): one segment a class, each frame with its place and the
//! image that it was made from.

mod bits;
mod codes;
mod dataset;
mod elements;

use std::path::Path;
use std::time::SystemTime;

use dicom_dictionary_std::uids;
use dicom_object::meta::FileMetaTableBuilder;
use fastersam_files::{AtomicFile, FileError, sha256};
use fastersam_volume::{LabelTable, VolumeError};
use ndarray::Array3;

use crate::error::DicomError;
use crate::series::DicomSeries;

/// What is said about a segmentation.
#[derive(Clone, Copy, Debug)]
pub struct Segmentation<'a> {
    /// Names and codes of the classes.
    pub table: &'a LabelTable,
    /// Version of the program.
    pub program_version: &'a str,
    /// SHA-256 of the model, in hexadecimal digits.
    pub model_sha256: &'a str,
    /// When it was made; written in UTC.
    pub created: SystemTime,
}

impl DicomSeries {
    /// Writes a class map `[column, row, slice]` on the grid of this series as a DICOM segmentation: segment `n` is class `n` of
    /// the table, its code in the label maps of the data set stands in its description. Frames without a voxel are left out.
    /// The file appears as a whole or not at all, and an existing one is replaced. Its UIDs follow from what is in it.
    ///
    /// # Errors
    /// The shape is not that of the series, a class is not in the table, or the file can't be written.
    pub fn write_segmentation(
        &self,
        output: &Path,
        classes: &Array3<u8>,
        about: &Segmentation,
    ) -> Result<(), DicomError> {
        let (expected, found) = (self.grid().shape, classes.dim().into());
        if expected != found {
            return Err(VolumeError::Shape { path: output.to_owned(), expected, found }.into());
        }
        let malformed = |reason: String| DicomError::malformed(output, format!("it can't be written: {reason}"));
        about.table.validate().map_err(malformed)?;
        let n_classes = about.table.n_classes();
        if let Some(class) = classes.iter().find(|&&class| usize::from(class) >= n_classes) {
            return Err(malformed(format!("class {class} is none of the {n_classes} of its table")));
        }
        let frames = bits::frames(classes, n_classes);
        let pixels = bits::pack(classes, &frames);
        let created = Created::at(about.created).ok_or_else(|| malformed("its time has no date".to_owned()))?;
        let entries: String = about.table.entries().map(|(code, name)| format!("{code} {name}\n")).collect();
        let said = [
            &self.about.series_uid,
            about.model_sha256,
            about.program_version,
            &created.date,
            &created.time,
            &entries,
        ];
        let known = sha256(said.map(str::as_bytes).into_iter().chain([pixels.as_slice()]));
        let instance_uid = uid(&known, "instance");
        let object = dataset::build(
            self,
            about,
            &dataset::Content {
                instance_uid: &instance_uid,
                series_uid: &uid(&known, "series"),
                dimension_uid: &uid(&known, "dimensions"),
                frame_of_reference_uid: &match self.about.frame_of_reference_uid.as_str() {
                    "" => uid(&sha256([&self.about.series_uid]), "frame of reference"),
                    known => known.to_owned(),
                },
                created: &created,
                frames: &frames,
                pixels,
            },
        );
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(uids::SEGMENTATION_STORAGE)
            .media_storage_sop_instance_uid(instance_uid);
        let object = object.with_meta(meta).map_err(|error| malformed(error.to_string()))?;
        let mut file = AtomicFile::create(output)?;
        let mut writer = std::io::BufWriter::new(&mut file);
        object.write_all(&mut writer).map_err(|error| malformed(full_text(&error)))?;
        std::io::Write::flush(&mut writer).map_err(FileError::at(output))?;
        drop(writer);
        Ok(file.commit()?)
    }
}

/// A moment as DICOM writes it.
pub struct Created {
    /// Year, month and day.
    pub date: String,
    /// Hours, minutes and seconds.
    pub time: String,
}

impl Created {
    fn at(time: SystemTime) -> Option<Self> {
        let utc = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::try_from(time).ok()?);
        Some(Self { date: utc.strftime("%Y%m%d").to_string(), time: utc.strftime("%H%M%S").to_string() })
    }
}

/// A UID from what it is for: that of a UUID (DICOM PS3.5, B.2) of version 8, whose bits come from a hash.
fn uid(known: &str, purpose: &str) -> String {
    let hash = sha256([known, purpose]);
    let bits = u128::from_str_radix(&hash[..32], 16).unwrap_or_default();
    let uuid = bits & !(0xF << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    format!("2.25.{uuid}")
}

/// An error and its causes in one line.
fn full_text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_those_of_uuids() {
        let one = uid("a", "series");
        assert!(one.len() <= 64 && one.starts_with("2.25."));
        let bits: u128 = one[5..].parse().unwrap_or_default();
        assert_eq!((bits >> 76 & 0xF, bits >> 62 & 3), (8, 2));
        assert_ne!(one, uid("a", "instance"));
        assert_eq!(one, uid("a", "series"));
    }

    #[test]
    fn moments_are_written_in_utc() {
        let created = Created::at(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400 + 3_661));
        assert_eq!(created.map(|at| (at.date, at.time)), Some(("19700102".to_owned(), "010101".to_owned())));
    }
}
