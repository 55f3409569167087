import { busConformance } from '../conformance.ts'
import { ModelBroker } from './broker.ts'
import { modelBus } from './bus.ts'

busConformance('the model', async () => {
  const broker = new ModelBroker()
  return {
    open: async () => modelBus({ broker, pace: { retryFirst: 50, retryMost: 500, watch: 100, poll: 200, heartbeat: 500 } }),
    deleteRecords: async (topic, partition, before) => broker.deleteBefore(topic, partition, before),
    recreate: async ({ name, partitions }) => broker.create(name, partitions),
    limit: async (topic, bytes) => broker.limit(topic, bytes),
    disturb: async () => broker.forgetMembers(),
    close: async () => undefined,
  }
})
