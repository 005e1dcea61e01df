//! Files that are damaged or made to harm: an error each, no panic, and no memory for what they only claim.

use std::fs;

use dicom_core::VR;
use dicom_dictionary_std::tags;
use fastersam_dicom::DicomSeries;
use fastersam_volume::KeyedRng;

use crate::made::{Image, Pixels, check_refusal, file, stack};
use crate::pixels::multi_frame;

/// Reads bytes as a series of one file, whatever comes of it.
fn read(bytes: &[u8]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "IM1.dcm", bytes);
    let mut series = DicomSeries::open(&path, None).map_err(|error| error.to_string())?;
    series.scan().map(|_| ()).map_err(|error| error.to_string())
}

/// The bytes of a classic image and of an enhanced one.
fn samples() -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let [classic, enhanced] = ["classic.dcm", "enhanced.dcm"].map(|name| folder.path().join(name));
    Image::axial(1).write(&classic);
    let (image, object) = multi_frame(&stack(3));
    crate::made::write(object, image.sop_class, image.transfer_syntax, &enhanced);
    [classic, enhanced].map(|path| fs::read(path).unwrap())
}

#[test]
fn a_file_that_ends_early_is_an_error_wherever_it_ends() {
    for bytes in samples() {
        assert_eq!(read(&bytes), Ok(()));
        for n in 0..bytes.len() {
            assert!(read(&bytes[..n]).is_err(), "{n} of {} bytes are accepted", bytes.len());
        }
    }
}

#[test]
fn random_bytes_are_an_error() {
    let mut rng = KeyedRng::new(1, &[]);
    let [classic, _] = samples();
    let mut refused = 0;
    for round in 0..300 {
        let n = rng.below(2000);
        let random: Vec<u8> = (0..n).map(|_| rng.below(256) as u8).collect();
        // With the right beginning in two of three rounds, so that more than the mark is read.
        let start = [0, 132, 400][round % 3];
        refused += usize::from(read(&[&classic[..start], &random[..]].concat()).is_err());
    }
    assert_eq!(refused, 300);
}

#[test]
fn changed_bytes_never_panic() {
    let mut rng = KeyedRng::new(2, &[]);
    let mut refused = 0;
    for bytes in samples() {
        for _ in 0..1500 {
            let mut changed = bytes.clone();
            for _ in 0..=rng.below(3) {
                let at = 132 + rng.below(changed.len() - 132);
                changed[at] = rng.below(256) as u8;
            }
            refused += usize::from(read(&changed).is_err());
        }
    }
    // Many a change is in a name or a pixel.
    assert!((100..3000).contains(&refused), "{refused}");
}

#[test]
fn what_a_header_only_claims_is_not_allocated() {
    let huge = Image { shape: [60000, 60000], ..Image::axial(0) };
    check_refusal(&[huge], &["voxels"]);
    let large = Image { shape: [16000, 16000], ..Image::axial(0) };
    check_refusal(&[large], &["256000000 voxels in"]);
    let (image, mut object) = multi_frame(&stack(3));
    object.put_str(tags::NUMBER_OF_FRAMES, VR::IS, "1000000000");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.dcm");
    crate::made::write(object, image.sop_class, image.transfer_syntax, &path);
    assert!(DicomSeries::open(&path, None).err().unwrap().to_string().contains("1000000000 frames"));
}

#[test]
fn a_length_beyond_the_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("IM1.dcm");
    Image { pixels: Pixels::Words((0..6).collect()), ..Image::axial(0) }.write(&path);
    let bytes = fs::read(&path).unwrap();
    // Tag and type of the pixels, then their length.
    let at = bytes.windows(6).rposition(|window| window == [0xE0, 0x7F, 0x10, 0, b'O', b'W']).unwrap() + 8;
    for length in [13_u32, 0x7FFF_FFFF, 0xFFFF_FFFE] {
        let mut longer = bytes.clone();
        longer[at..at + 4].copy_from_slice(&length.to_le_bytes());
        assert!(read(&longer).is_err(), "{length}");
    }
}

#[test]
fn sequences_in_each_other_end_somewhere() {
    let [classic, _] = samples();
    let at = classic.windows(4).rposition(|window| window == [0xE0, 0x7F, 0x10, 0]).unwrap();
    // Sequences of undefined length with an item of undefined length, again and again.
    let one = [
        &[0x40, 0, 0x75, 0x02, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF][..],
        &[0xFE, 0xFF, 0, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF],
    ]
    .concat();
    let deep = [&classic[..at], &one.repeat(100_000)].concat();
    let reason = read(&deep).unwrap_err();
    assert!(reason.contains("deep"), "{reason}");
    // A great many empty items.
    let wide = [&classic[..at], &one[..12], &[0xFE, 0xFF, 0, 0xE0, 0, 0, 0, 0].repeat(2_000_000)].concat();
    let reason = read(&wide).unwrap_err();
    assert!(reason.contains("elements"), "{reason}");
}

#[cfg(unix)]
#[test]
fn pipes_and_circles_of_links_hold_nobody_up() {
    let folder = crate::made::folder(&stack(2));
    std::os::unix::fs::symlink(folder.path(), folder.path().join("round")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.dcm")).status();
    assert!(made.is_ok_and(|status| status.success()));
    assert_eq!(DicomSeries::open(folder.path(), None).unwrap().grid().shape, [3, 2, 2]);
}
