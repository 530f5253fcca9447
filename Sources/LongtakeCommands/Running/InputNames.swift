import LongtakeCore

/// Gives the files of the input safe names in the directory `inputs`: the name of the field with
/// other characters than letters, digits, `-` and `_` replaced, and the extension of the type.
struct InputNames: Sendable {
    private var used: Set<String> = []

    /// The name of the next file, which no earlier file has.
    mutating func name(ofField field: String, type: String) -> String {
        let stem = String(
            decoding: field.utf8.prefix(64).map { Self.isSafe($0) ? $0 : UInt8(ascii: "_") }, as: UTF8.self)
        let suffix = "." + (Self.extensions[type] ?? "bin")
        var (name, number) = ((stem.isEmpty ? "input" : stem) + suffix, 2)
        while !used.insert(name).inserted {
            name = stem + "-\(number)" + suffix
            number += 1
        }
        return name
    }

    /// A program often decides by the extension what a file is.
    private static let extensions = [
        "application/json": "json", "application/pdf": "pdf", "application/zip": "zip", "audio/flac": "flac",
        "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/wav": "wav", "audio/x-wav": "wav", "audio/mp4": "m4a",
        "image/avif": "avif", "image/bmp": "bmp", "image/gif": "gif", "image/heic": "heic", "image/jpeg": "jpg",
        "image/png": "png", "image/svg+xml": "svg", "image/tiff": "tiff", "image/webp": "webp", "text/csv": "csv",
        "text/plain": "txt", "video/mp4": "mp4", "video/quicktime": "mov", "video/webm": "webm",
        "video/x-matroska": "mkv", "video/x-msvideo": "avi", "application/x-tar": "tar", "application/gzip": "gz",
    ]

    private static func isSafe(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }
}
