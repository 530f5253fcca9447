import LongtakeCore
import LongtakeTesting

/// Texts as content of the anonymous tenant.
extension MemoryFileStore {
    func add(_ text: String) -> Content { put(Array(text.utf8), for: .anonymous) }

    func text(_ content: Content) -> String? {
        contents[ContentKey(tenant: .anonymous, hash: content.hash)].map { String(decoding: $0, as: UTF8.self) }
    }
}
