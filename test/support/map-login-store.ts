// A LoginStore in a Map that tests can look into.
import type { LoginStore } from '../../lib/types/login-store.ts'

export interface MapLoginStore extends LoginStore {
  readonly values: Map<string, { value: string; ttlMs: number }>
  readonly sets: Map<string, string[]>
}

export function mapLoginStore(): MapLoginStore {
  const values: MapLoginStore['values'] = new Map()
  const sets: MapLoginStore['sets'] = new Map()
  return {
    values,
    sets,
    get: async (key) => values.get(key)?.value,
    async set(key, value, { ttlMs, ifAbsent = false, if: expected }) {
      const before = values.get(key)?.value
      if (ifAbsent && before !== undefined) return false
      if (expected !== undefined && before !== expected) return false
      values.set(key, { value, ttlMs })
      return true
    },
    async take(key) {
      const value = values.get(key)?.value
      values.delete(key)
      return value
    },
    async delete(key) {
      values.delete(key)
    },
    async add(set, member, { max }) {
      const members = [...(sets.get(set) ?? []).filter((each) => each !== member), member]
      sets.set(set, members.slice(-max))
      return members.slice(0, -max)
    },
    async remove(set, member) {
      sets.set(
        set,
        (sets.get(set) ?? []).filter((each) => each !== member),
      )
    },
    members: async (set) => sets.get(set) ?? [],
  }
}
