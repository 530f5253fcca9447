extension String {
    /// The longest beginning that takes at most `limit` bytes in UTF-8 and cuts no character in two.
    func cut(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var (end, bytes) = (startIndex, 0)
        for index in indices {
            bytes += self[index].utf8.count
            guard bytes <= limit else { break }
            end = self.index(after: index)
        }
        return String(self[..<end])
    }
}
