/// The media types that the daemon recognises from the first bytes of some content.
///
/// The numbers are those of the WHATWG MIME Sniffing Standard (https://mimesniff.spec.whatwg.org)
/// where it has them; other sources stand at their type. A type is only a claim about the first
/// bytes. The rest may be damaged or be something else.
///
/// HTML, SVG, XML and scripts are `text/plain`: no content that a client sends gets a type that a
/// browser executes.
public enum MediaType: String, CaseIterable, Hashable, Sendable {
    case png = "image/png"
    case jpeg = "image/jpeg"
    case gif = "image/gif"
    case webp = "image/webp"
    case avif = "image/avif"
    case heic = "image/heic"
    case bmp = "image/bmp"
    case tiff = "image/tiff"
    case mp4 = "video/mp4"
    case quicktime = "video/quicktime"
    case webm = "video/webm"
    case matroska = "video/x-matroska"
    case avi = "video/x-msvideo"
    case mpegTransportStream = "video/mp2t"
    case oggVideo = "video/ogg"
    case mp4Audio = "audio/mp4"
    case wav = "audio/wav"
    case mpegAudio = "audio/mpeg"
    case aac = "audio/aac"
    case flac = "audio/flac"
    case oggAudio = "audio/ogg"
    case pdf = "application/pdf"
    case zip = "application/zip"
    case gzip = "application/gzip"
    case json = "application/json"
    case text = "text/plain"
    /// Anything else.
    case binary = "application/octet-stream"

    /// The types that `accept:` of an input field may name.
    public static let recognized = allCases.map(\.rawValue)

    /// Bytes that are enough to recognise a type.
    public static let headBytes = 4096

    /// - Parameter head: the first bytes of the content: all of them, or ``headBytes``.
    public init(head: [UInt8]) {
        let head = Array(head.prefix(Self.headBytes))
        self =
            Self.signature(head) ?? Self.riff(head) ?? Self.isoMedia(head) ?? Self.ebml(head) ?? Self.ogg(head)
            ?? Self.bitmap(head) ?? AudioFrame.type(head) ?? Self.transportStream(head) ?? Self.text(head) ?? .binary
    }
}

// MARK: - Binary formats

extension MediaType {
    /// Types whose content begins with fixed bytes: WHATWG §6.1, §6.3; TIFF 6.0 §2; RFC 9639 §6
    /// (FLAC); id3.org (ID3v2, which begins most MP3 files).
    private static let signatures: [([UInt8], MediaType)] = [
        ([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], .png),
        ([0xFF, 0xD8, 0xFF], .jpeg),
        (Array("GIF87a".utf8), .gif),
        (Array("GIF89a".utf8), .gif),
        ([0x49, 0x49, 0x2A, 0x00], .tiff),
        ([0x4D, 0x4D, 0x00, 0x2A], .tiff),
        (Array("%PDF-".utf8), .pdf),
        ([0x50, 0x4B, 0x03, 0x04], .zip),
        // An empty archive (APPNOTE.TXT 4.3.16).
        ([0x50, 0x4B, 0x05, 0x06], .zip),
        ([0x1F, 0x8B, 0x08], .gzip),
        (Array("fLaC".utf8), .flac),
        (Array("ID3".utf8) + [2], .mpegAudio),
        (Array("ID3".utf8) + [3], .mpegAudio),
        (Array("ID3".utf8) + [4], .mpegAudio),
    ]

    private static func signature(_ head: [UInt8]) -> MediaType? {
        signatures.first { head.starts(with: $0.0) }?.1
    }

    /// RIFF: its form type is in bytes 8 to 11 (WHATWG §6.1, §6.2).
    private static func riff(_ head: [UInt8]) -> MediaType? {
        guard head.has("RIFF", at: 0) else { return nil }
        if head.has("WEBPVP8", at: 8) { return .webp }
        if head.has("WAVE", at: 8) { return .wav }
        return head.has("AVI ", at: 8) ? .avi : nil
    }

    /// The brands of ISO/IEC 14496-12 in the box `ftyp`. The major brand comes first and decides,
    /// if it is known; otherwise the first known compatible brand does. AVIF: av1-avif §6; HEIC:
    /// ISO/IEC 23008-12; the others: https://mp4ra.org/registered-types/brands.
    private static let brands: [String: MediaType] = {
        let brands: [(MediaType, [String])] = [
            (.avif, ["avif", "avis"]),
            (.heic, ["heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs"]),
            (.quicktime, ["qt  "]),
            (.mp4Audio, ["M4A ", "M4B "]),
            (
                .mp4,
                [
                    "isom", "iso2", "iso3", "iso4", "iso5", "iso6", "iso7", "iso8", "iso9", "mp41", "mp42", "mp71",
                    "avc1", "hvc1", "av01", "M4V ", "M4VH", "M4VP", "dash", "cmfc", "MSNV", "3gp4", "3gp5", "3gp6",
                ]
            ),
        ]
        return Dictionary(uniqueKeysWithValues: brands.flatMap { type, names in names.map { ($0, type) } })
    }()

    private static func isoMedia(_ head: [UInt8]) -> MediaType? {
        guard head.has("ftyp", at: 4) else {
            // QuickTime files before 2001 have no `ftyp` (QuickTime File Format, “Atoms”).
            return head.first == 0 && ["moov", "mdat", "wide"].contains { head.has($0, at: 4) } ? .quicktime : nil
        }
        let size = head.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        guard size >= 12, size % 4 == 0 else { return nil }
        // Bytes 12 to 15 are the version of the major brand.
        let places = [8] + Array(stride(from: 16, to: min(size, head.count), by: 4))
        let known = places.lazy.compactMap { place -> MediaType? in
            guard place + 4 <= head.count else { return nil }
            return brands[String(decoding: head[place..<place + 4], as: UTF8.self)]
        }
        return known.first
    }

    /// EBML (RFC 8794): the document type is the element 0x4282 in the header, which is `webm` or
    /// `matroska` (RFC 9559). WHATWG §6.2.2 searches it in the same way.
    private static func ebml(_ head: [UInt8]) -> MediaType? {
        guard head.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) else { return nil }
        for place in 4..<max(4, min(head.count, 64)) where head[place...].starts(with: [0x42, 0x82]) {
            if head.has("webm", at: place + 3) { return .webm }
            if head.has("matroska", at: place + 3) { return .matroska }
        }
        return nil
    }

    /// Ogg (RFC 3533): the first page holds the header of the first stream, whose codec tells audio
    /// from video (RFC 5334). A video begins with its video stream.
    private static func ogg(_ head: [UInt8]) -> MediaType? {
        guard head.starts(with: Array("OggS".utf8) + [0]), head.count > 27 else { return nil }
        let begin = 27 + Int(head[26])
        if head.has("theora", at: begin + 1) { return .oggVideo }
        let isAudio =
            head.has("vorbis", at: begin + 1) || head.has("OpusHead", at: begin) || head.has("FLAC", at: begin + 1)
            || head.has("Speex   ", at: begin)
        return isAudio ? .oggAudio : nil
    }

    /// BMP: `BM` alone (WHATWG §6.1) would match text, so the size of the header that follows must
    /// be one of those that exist (Windows GDI, “Bitmap Header Types”).
    private static func bitmap(_ head: [UInt8]) -> MediaType? {
        guard head.has("BM", at: 0), head.count >= 18, head[15...17].allSatisfy({ $0 == 0 }) else { return nil }
        return [12, 40, 52, 56, 64, 108, 124].contains(head[14]) ? .bmp : nil
    }

    /// MPEG transport stream: packets of 188 bytes that begin with 0x47 (ISO/IEC 13818-1 §2.4.3.2).
    /// All packets in the head must, and at least three must be there.
    private static func transportStream(_ head: [UInt8]) -> MediaType? {
        guard head.count >= 3 * 188 else { return nil }
        return stride(from: 0, to: head.count, by: 188).allSatisfy { head[$0] == 0x47 } ? .mpegTransportStream : nil
    }
}

/// A frame of MPEG audio (ISO/IEC 11172-3 §2.4.2.3) or of AAC in ADTS (ISO/IEC 13818-7 §6.2). Both
/// begin with 11 or 12 set bits, which is little, so a second frame must follow the first one.
private enum AudioFrame {
    static func type(_ head: [UInt8]) -> MediaType? {
        for (type, length) in [(MediaType.mpegAudio, mpegLength), (.aac, adtsLength)] {
            guard let first = length(head[...]), head.count > first, length(head[first...]) != nil else { continue }
            return type
        }
        return nil
    }

    /// The bytes of a frame of layer III; `nil` if the bytes do not begin with one.
    private static func mpegLength(_ bytes: ArraySlice<UInt8>) -> Int? {
        let header = Array(bytes.prefix(4))
        guard header.count == 4, header[0] == 0xFF, header[1] & 0xE0 == 0xE0 else { return nil }
        let (version, layer) = (header[1] >> 3 & 3, header[1] >> 1 & 3)
        let (bitRate, sampleRate) = (Int(header[2] >> 4), Int(header[2] >> 2 & 3))
        guard version != 1, layer == 1, (1...14).contains(bitRate), sampleRate < 3 else { return nil }
        let isVersion1 = version == 3
        let kilobits =
            isVersion1
            ? [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
            : [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
        let rate = [44_100, 48_000, 32_000][sampleRate] / (isVersion1 ? 1 : version == 2 ? 2 : 4)
        let padding = Int(header[2] >> 1 & 1)
        return (isVersion1 ? 144 : 72) * kilobits[bitRate - 1] * 1000 / rate + padding
    }

    /// The bytes of an ADTS frame; `nil` if the bytes do not begin with one.
    private static func adtsLength(_ bytes: ArraySlice<UInt8>) -> Int? {
        let header = Array(bytes.prefix(7))
        guard header.count == 7, header[0] == 0xFF, header[1] & 0xF6 == 0xF0, header[2] >> 2 & 15 < 13 else {
            return nil
        }
        let length = Int(header[3] & 3) << 11 | Int(header[4]) << 3 | Int(header[5] >> 5)
        return length >= 7 ? length : nil
    }
}

// MARK: - Text

extension MediaType {
    /// Text is valid UTF-8 without control characters. Tab, line feed, form feed, carriage return
    /// and escape are allowed, as in WHATWG §3 (“binary data byte”); DEL is not. The last character
    /// of a full head may be cut. Empty content is text.
    ///
    /// Text is JSON if it looks like the beginning of an object or an array: the first two
    /// characters that are not blank decide. The whole is not parsed, because a head is mostly a
    /// part. So a note that begins with `[1]` is taken for JSON, and a single number or string is
    /// text.
    private static func text(_ head: [UInt8]) -> MediaType? {
        guard head.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || [0x09, 0x0A, 0x0C, 0x0D, 0x1B].contains($0) }),
            isUTF8(head)
        else { return nil }
        let bytes = head.starts(with: [0xEF, 0xBB, 0xBF]) ? head.dropFirst(3) : head[...]
        let begin = Array(bytes.lazy.filter { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }.prefix(2))
        guard begin.count == 2 else { return .text }
        switch begin[0] {
        case UInt8(ascii: "{"): return "\"}".utf8.contains(begin[1]) ? .json : .text
        case UInt8(ascii: "["): return "{[]\"-0123456789tfn".utf8.contains(begin[1]) ? .json : .text
        default: return .text
        }
    }

    private static func isUTF8(_ head: [UInt8]) -> Bool {
        if String(validating: head, as: UTF8.self) != nil { return true }
        guard head.count == headBytes else { return false }
        // The last character has up to three bytes here, of which the first is no continuation.
        guard let last = head.suffix(3).lastIndex(where: { $0 & 0xC0 != 0x80 }), head[last] >= 0xC2,
            head[last] <= 0xF4
        else { return false }
        return String(validating: head[..<last], as: UTF8.self) != nil
    }
}

extension [UInt8] {
    /// Whether the ASCII text stands at the place.
    fileprivate func has(_ text: String, at place: Int) -> Bool {
        place <= count && self[place...].starts(with: text.utf8)
    }
}
