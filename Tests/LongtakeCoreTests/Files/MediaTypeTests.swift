import LongtakeCore
import Testing

@Suite("the media type of content")
struct MediaTypeTests {
    private static func box(_ major: String, _ compatible: [String] = []) -> [UInt8] {
        let size = UInt8(16 + 4 * compatible.count)
        return [0, 0, 0, size] + Array(("ftyp" + major).utf8) + [0, 0, 2, 0] + Array(compatible.joined().utf8) + [0, 0]
    }

    private static func riff(_ form: String) -> [UInt8] { Array("RIFF".utf8) + [9, 0, 0, 0] + Array(form.utf8) }

    private static func ogg(_ codec: [UInt8]) -> [UInt8] {
        Array("OggS".utf8) + [UInt8](repeating: 0, count: 22) + [1, 30] + codec
    }

    private static func packets(_ count: Int) -> [UInt8] {
        (0..<count).flatMap { _ in [0x47] + [UInt8](repeating: 0xFF, count: 187) }
    }

    /// A frame of 128 kbit/s at 44,100 Hz has 417 bytes.
    private static let mp3 = [0xFF, 0xFB, 0x90, 0x00] + [UInt8](repeating: 0, count: 413)
    /// A frame of 16 bytes.
    private static let adts = [0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC] + [UInt8](repeating: 1, count: 9)

    private static let samples: [(MediaType, [UInt8])] = [
        (.png, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0]),
        (.jpeg, [0xFF, 0xD8, 0xFF, 0xE0, 0]),
        (.gif, Array("GIF89a".utf8) + [1]), (.gif, Array("GIF87a".utf8)),
        (.webp, riff("WEBPVP8 ")), (.wav, riff("WAVEfmt ")), (.avi, riff("AVI LIST")),
        (.avif, box("avif", ["mif1", "miaf"])), (.avif, box("mif1", ["avif"])),
        (.heic, box("heic", ["mif1"])), (.heic, box("mif1", ["heic"])),
        (.mp4, box("isom", ["iso2", "avc1", "mp41"])), (.mp4, box("XAVC", ["mp42"])),
        (.quicktime, box("qt  ")), (.quicktime, [0, 0, 0, 8] + Array("wide".utf8)), (.mp4Audio, box("M4A ", ["mp42"])),
        (.bmp, Array("BM".utf8) + [9, 9, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0]),
        (.tiff, [0x49, 0x49, 0x2A, 0]), (.tiff, [0x4D, 0x4D, 0, 0x2A]),
        (.webm, [0x1A, 0x45, 0xDF, 0xA3, 0x9F, 0x42, 0x86, 0x81, 1, 0x42, 0x82, 0x84] + Array("webm".utf8)),
        (.matroska, [0x1A, 0x45, 0xDF, 0xA3, 0xA3, 0x42, 0x82, 0x88] + Array("matroska".utf8)),
        (.mpegTransportStream, packets(3)), (.mpegTransportStream, packets(30)),
        (.oggAudio, ogg([1] + Array("vorbis".utf8))), (.oggAudio, ogg(Array("OpusHead".utf8))),
        (.oggVideo, ogg([0x80] + Array("theora".utf8))),
        (.mpegAudio, Array("ID3".utf8) + [4, 0, 0]), (.mpegAudio, mp3 + mp3), (.aac, adts + adts),
        (.flac, Array("fLaC".utf8) + [0]), (.pdf, Array("%PDF-1.7\n".utf8)),
        (.zip, [0x50, 0x4B, 3, 4, 0]), (.zip, [0x50, 0x4B, 5, 6, 0]), (.gzip, [0x1F, 0x8B, 8, 0]),
        (.json, Array("{\"a\": 1}".utf8)), (.json, Array(" [\n1, 2]".utf8)), (.json, Array("{}".utf8)),
        (.json, [0xEF, 0xBB, 0xBF] + Array("[]".utf8)),
        (.text, []), (.text, Array("a boat\r\n\tat sea — höchst\n".utf8)), (.text, Array("{x}".utf8)),
        (.text, Array("[draft".utf8)), (.text, Array("42".utf8)), (.text, Array("BMW and MP3s".utf8)),
        (.binary, [0]), (.binary, Array("a\u{1}b".utf8)), (.binary, [0xFF, 0xFE, 0x41, 0]), (.binary, [0xC3]),
    ]

    @Test("is found from the first bytes", arguments: samples)
    func sample(type: MediaType, head: [UInt8]) { #expect(MediaType(head: head) == type) }

    @Test("has a sample of each type")
    func complete() { #expect(Set(Self.samples.map(\.0)) == Set(MediaType.allCases)) }

    @Test("never lets a browser execute what a client sends")
    func active() {
        for text in [
            "<!DOCTYPE html><script>", "<html>", "<svg xmlns='http://www.w3.org/2000/svg'>", "<?xml version='1.0'?>",
            "#!/bin/sh",
        ] {
            #expect(MediaType(head: Array(text.utf8)) == .text)
        }
        for type in MediaType.recognized {
            #expect(!["html", "svg", "xml", "javascript"].contains { type.contains($0) })
        }
    }

    @Test("allows that the last character of a full head is cut, and no other error")
    func cutText() {
        for count in 1...3 {
            let cut = Array("🚢".utf8.prefix(count))
            let full = [UInt8](repeating: 0x61, count: 4096 - count) + cut
            #expect(MediaType(head: full) == .text)
            #expect(MediaType(head: Array(full.dropFirst())) == .binary)
        }
        #expect(MediaType(head: [UInt8](repeating: 0x61, count: 4095) + [0x80]) == .binary)
        #expect(MediaType(head: [0xFF] + [UInt8](repeating: 0x61, count: 4095)) == .binary)
    }

    @Test("does not trap on any cut of a sample")
    func cutSamples() {
        for (_, head) in Self.samples { for count in 0...head.count { _ = MediaType(head: Array(head.prefix(count))) } }
    }
}
