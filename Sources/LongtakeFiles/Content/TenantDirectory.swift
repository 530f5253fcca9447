import LongtakeCore

/// The name of a tenant's directory: the tenant's name, in which every byte but `a`–`z`, `0`–`9`,
/// `-` and `_` is written as `%` and two hex digits. So it never contains `/`, is never `.` or
/// `..`, and two tenants never share a directory. The empty name is `%`.
enum TenantDirectory {
    /// Bytes of a file name (NAME_MAX of Linux).
    static let maximumBytes = 255

    /// - Throws: ``FileStoreError/failed(_:)`` if the result is longer than a file name may be. The
    ///   name of a tenant has 64 bytes at most, and needs 192 at most.
    static func name(of tenant: TenantName) throws(FileStoreError) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var name: [UInt8] = []
        for byte in tenant.description.utf8 {
            if isPlain(byte) {
                name.append(byte)
            } else {
                name += [percent, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        guard name.count <= maximumBytes else { throw .failed("the name of the tenant is too long for a directory") }
        return name.isEmpty ? "%" : String(decoding: name, as: UTF8.self)
    }

    /// - Returns: `nil` if ``name(of:)`` never returns this name.
    static func tenant(of name: String) -> TenantName? {
        if name == "%" { return TenantName(unchecked: "") }
        var bytes: [UInt8] = []
        var rest = Array(name.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == percent else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        let tenant = TenantName(unchecked: text)
        // Each tenant has exactly one directory, so `%61` does not stand for `a`.
        return (try? Self.name(of: tenant)) == name ? tenant : nil
    }

    private static let percent = UInt8(ascii: "%")

    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2d || byte == 0x5f
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
