//! The frames of a segmentation: one bit a pixel, without gaps between rows and frames.

use ndarray::{Array3, Axis};

/// The frames that are not empty, as (class, slice), in this order; where all are empty the first one, because a segmentation
/// has a frame.
pub fn frames(classes: &Array3<u8>, n_classes: usize) -> Vec<(u8, usize)> {
    let mut frames = Vec::new();
    for (slice, plane) in classes.axis_iter(Axis(2)).enumerate() {
        let mut is_there = [false; 256];
        plane.iter().for_each(|&class| is_there[usize::from(class)] = true);
        let present =
            (1..=u8::MAX).take(n_classes.saturating_sub(1)).filter(|&class| is_there[usize::from(class)]);
        frames.extend(present.map(|class| (class, slice)));
    }
    frames.sort_unstable();
    if frames.is_empty() {
        frames.push((1, 0));
    }
    frames
}

/// The bits of these frames of a class map `[column, row, slice]`, row by row, lowest bit first, to an even number of bytes.
pub fn pack(classes: &Array3<u8>, frames: &[(u8, usize)]) -> Vec<u8> {
    let (n_columns, n_rows, _) = classes.dim();
    let n_bits = n_columns * n_rows * frames.len();
    let mut bytes = vec![0_u8; n_bits.div_ceil(16) * 2];
    let mut at = 0;
    for &(class, slice) in frames {
        for row in classes.index_axis(Axis(2), slice).columns() {
            for &found in row {
                bytes[at / 8] |= u8::from(found == class) << (at % 8);
                at += 1;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_follow_each_other_without_gaps() {
        // Three columns, one row, three slices.
        let mut classes = Array3::zeros((3, 1, 3));
        classes[(0, 0, 0)] = 1;
        classes[(2, 0, 2)] = 1;
        classes[(1, 0, 2)] = 2;
        let frames = frames(&classes, 3);
        assert_eq!(frames, [(1, 0), (1, 2), (2, 2)]);
        // 100 001 010, first bit lowest.
        assert_eq!(pack(&classes, &frames), [0b1010_0001, 0]);
    }

    #[test]
    fn an_empty_map_has_one_empty_frame() {
        let classes = Array3::zeros((4, 4, 2));
        let frames = frames(&classes, 3);
        assert_eq!(frames, [(1, 0)]);
        assert_eq!(pack(&classes, &frames), [0; 2]);
    }
}
