//! Slices that the report shows.

use anyhow::Result;
use ndarray::Axis;

use super::Run;
use crate::evaluate::Evaluation;
use fastersam_records::{PauseRecord, SliceRecord};

impl Run<'_> {
    /// Of each of the first cases the slice with most labelled pixels.
    pub(super) fn pictures(&self, found: &Evaluation, pause: &PauseRecord) -> Result<()> {
        let trained = &self.trained;
        let shown = trained.data.evaluate.iter().zip(&found.segmentations);
        for (case, segmentation) in shown.take(trained.experiment.measure.shown_slices) {
            let labelled = |slice: usize| case.label.index_axis(Axis(0), slice).iter().filter(|&&c| c > 0).count();
            let Some(slice) = (0..case.label.len_of(Axis(0))).max_by_key(|&s| labelled(s)) else { continue };
            let image = case.image.index_axis(Axis(0), slice);
            let (rows, cols) = image.dim();
            let paused_at = &segmentation.slices[slice].paused_at;
            self.write(SliceRecord {
                experiment: trained.experiment.id.clone(),
                method: trained.method.clone(),
                dataset: trained.data.name.clone(),
                case: case.id.clone(),
                slice,
                class_names: trained.class_names(),
                pause: pause.clone(),
                rows,
                cols,
                image: image.iter().map(|v| (255.0 * v.clamp(0.0, 1.0)) as u8).collect(),
                truth: case.label.index_axis(Axis(0), slice).iter().copied().collect(),
                prediction: segmentation.classes.index_axis(Axis(0), slice).iter().copied().collect(),
                grid: trained.config.grid(),
                paused_after: paused_at.clone(),
                provenance: trained.provenance.clone(),
            })?;
        }
        Ok(())
    }
}
