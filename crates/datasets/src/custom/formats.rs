//! Files of other formats in a folder of scans, and the way from them to NIfTI.

use std::collections::BTreeMap;

const TO_NIFTI: &str = "convert to .nii.gz, for instance with 3D Slicer or SimpleITK";

/// Endings of other formats, what these are called, and the way out.
const FORMATS: [(&str, &str, &str); 12] = [
    (".seg.nrrd", "3D Slicer segmentation", "export label maps to .nii.gz, in 3D Slicer"),
    (".nrrd", "NRRD file", TO_NIFTI),
    (".nhdr", "NRRD file", TO_NIFTI),
    (".mha", "MetaImage file", TO_NIFTI),
    (".mhd", "MetaImage file", TO_NIFTI),
    (".mgz", "FreeSurfer volume", "convert with mri_convert"),
    (".mgh", "FreeSurfer volume", "convert with mri_convert"),
    (".hdr", ".hdr and .img pair", TO_NIFTI),
    (".dcm", "DICOM file", "convert to .nii.gz, for instance with dcm2niix"),
    (".ima", "DICOM file", "convert to .nii.gz, for instance with dcm2niix"),
    (".nii.zip", "zipped scan", "unpack to .nii or .nii.gz"),
    (".nii.bz2", "packed scan", "pack with gzip"),
];

/// How many files of which format lie in which folder.
#[derive(Debug, Default)]
pub(crate) struct OtherFormats {
    /// By folder and place in the table.
    found: BTreeMap<(String, usize), usize>,
}

impl OtherFormats {
    /// Notes a file, if it is of a format that is known here.
    pub fn see(&mut self, folder: &str, name: &str) {
        let name = name.to_lowercase();
        if let Some(format) = FORMATS.iter().position(|(ending, ..)| name.ends_with(ending)) {
            *self.found.entry((folder.to_owned(), format)).or_default() += 1;
        }
    }

    /// What is left out, and why.
    pub fn left_out(&self) -> impl Iterator<Item = (String, String)> {
        self.found.iter().map(|((folder, format), n)| {
            let (ending, what, way_out) = FORMATS[*format];
            let (files, are) = if *n == 1 { (what.to_owned(), "is") } else { (format!("{what}s"), "are") };
            (format!("{folder}*{ending}"), format!("{n} {files}, which {are} not read; {way_out}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_counted_by_folder() {
        let mut others = OtherFormats::default();
        for (folder, name) in [
            ("a/", "x.nrrd"),
            ("a/", "y.NRRD"),
            ("a/", "y.seg.nrrd"),
            ("", "z.mhd"),
            ("", "z.raw"),
            ("", "notes.txt"),
        ] {
            others.see(folder, name);
        }
        let found: Vec<String> = others.left_out().map(|(files, why)| format!("{files}: {why}")).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("*.mhd: 1 MetaImage file, which is not read; convert"), "{found:?}");
        assert!(found[1].starts_with("a/*.seg.nrrd: 1 3D Slicer segmentation"), "{found:?}");
        assert!(found[2].starts_with("a/*.nrrd: 2 NRRD file"), "{found:?}");
    }
}
