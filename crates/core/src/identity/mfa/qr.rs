//! A text as a QR code.
use lessor_engine::{Error, Result};
use qrcode::{Color, QrCode};

/// A PNG in black and white, `size` pixels wide, or as small as the text allows.
///
/// # Errors
/// When the text does not fit in a QR code.
pub(super) fn png(text: &str, size: u32) -> Result<Vec<u8>> {
    let failed = |_| Error::Internal("the QR code cannot be made".to_owned());
    let code = QrCode::new(text).map_err(|error| failed(error.to_string()))?;
    // Four modules of white around the code (ISO/IEC 18004).
    let modules = u32::try_from(code.width()).unwrap_or(u32::MAX) + 8;
    let scale = (size / modules).max(1);
    let width = size.max(modules);
    let margin = (width - (modules - 8) * scale) / 2;
    let colors = code.to_colors();
    let mut pixels = vec![255_u8; (width * width) as usize];
    for (at, _) in colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let at = u32::try_from(at).unwrap_or_default();
        let (x, y) = (at % (modules - 8) * scale + margin, at / (modules - 8) * scale + margin);
        for row in y..y + scale {
            let from = (row * width + x) as usize;
            pixels[from..from + scale as usize].fill(0);
        }
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, width);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().map_err(|error| failed(error.to_string()))?;
    writer.write_image_data(&pixels).map_err(|error| failed(error.to_string()))?;
    writer.finish().map_err(|error| failed(error.to_string()))?;
    Ok(file)
}
